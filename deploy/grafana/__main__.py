"""Writes the dashboards as JSON: python -m deploy.grafana."""

from deploy.grafana.files import dashboards

if __name__ == "__main__":
    for path, text in dashboards().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
