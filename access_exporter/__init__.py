"""A Prometheus exporter for Cloudflare Access: seats, devices and policy test results."""

__version__ = "0.1.0"

# The project's page, which messages link to. `make home` changes this address here and in all documents.
__homepage__ = "https://github.com/cloudflare-access-exporter/cloudflare-access-exporter"
