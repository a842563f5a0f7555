"""The Grafana dashboards: panels in Python go in, the JSON files in `dashboards/` come out.

`python -m deploy.grafana` (a part of `make docs`) writes them. Each dashboard is a file of this folder. They need
Grafana 10.1 or newer.
"""

from deploy.grafana.files import dashboards

__all__ = ["dashboards"]
