"""The web server: it serves the metrics and the status page over HTTP, with TLS and basic auth."""

from access_exporter.serving.listening import listen
from access_exporter.serving.routes import Web
from access_exporter.serving.server import Server
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.web_config import WebConfig
from access_exporter.serving.web_settings import WebSettings

__all__ = ["Server", "StatusPage", "Web", "WebConfig", "WebSettings", "listen"]
