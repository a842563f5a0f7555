"""Files for a deployment of the exporter. Only `deploy.grafana` and `deploy.rules` are importable Python packages."""
