"""A Prometheus exporter for Cloudflare Access: seats, devices and policy test results."""

__version__ = "0.1.0"
