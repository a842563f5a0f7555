"""A Prometheus exporter for Cloudflare Access: seats, devices and policy test results."""

__version__ = "0.1.0"

# Where the documents are; `make home` changes it here too.
__homepage__ = "https://github.com/cloudflare-access-exporter/cloudflare-access-exporter"
