"""The only source of alerts, recording rules and thresholds; `make docs` writes every copy of them."""
