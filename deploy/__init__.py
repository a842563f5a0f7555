"""What to deploy beside the exporter. Only `deploy.grafana` and `deploy.rules` are code to import."""
