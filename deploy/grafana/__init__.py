"""The Grafana dashboards: Python code that generates the JSON files in `dashboards/`.

`python -m deploy.grafana` (a part of `make docs`) writes the JSON files. Each dashboard has its own Python file in this
folder. The dashboards need Grafana 10.1 or newer.
"""

from deploy.grafana.files import dashboards

__all__ = ["dashboards"]
