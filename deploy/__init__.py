"""What to deploy beside the exporter. Only `deploy.grafana` is code to import."""
