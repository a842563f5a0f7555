"""The pages that the server serves over HTTP. No page ever waits for Cloudflare."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from prometheus_client import CollectorRegistry

from access_exporter import exposition
from access_exporter.background import call
from access_exporter.errors import ConfigError
from access_exporter.exposition import Format
from access_exporter.logs import facts
from access_exporter.polling import Snapshots
from access_exporter.serving.messages import Application, Request, Response
from access_exporter.serving.negotiation import gzip_accepted, negotiate
from access_exporter.serving.sharing import Shared
from access_exporter.serving.status_page import Made, StatusPage
from access_exporter.serving.status_style import content_security_policy
from access_exporter.serving.web_settings import WebSettings

log = logging.getLogger(__name__)

MAX_RELOADS = 2  # one in progress, and one for changes that were made after it started


class Web:
    """Routes requests to pages."""

    def __init__(
        self,
        snapshots: Snapshots,
        registry: CollectorRegistry,
        status_page: StatusPage,
        reload: Callable[[], None] | None,
        *,
        metrics_path: str,
        settings: WebSettings,
    ) -> None:
        """`reload` raises ConfigError if the exporter keeps its old configuration; None disables reloads over HTTP."""
        self._settings = settings
        self._snapshots = snapshots
        self._registry = registry
        self._reload = reload
        self._reloading = 0
        self._shared_pages = {form: Shared(partial(snapshots.page, form), "scrape") for form in Format}
        self._status_page = status_page
        self._shared_status = {
            refreshes: Shared(partial(status_page.current, refreshes=refreshes), "status page")
            for refreshes in (True, False)
        }
        self._routes: dict[str, tuple[str, Application]] = {
            "/": ("GET", self._get_status),
            "/-/healthy": ("GET", self._get_healthy),
            "/-/ready": ("GET", self._get_ready),
            "/-/reload": ("POST", self._post_reload),
            metrics_path: ("GET", self._get_metrics),
        }
        self._pages = ("/", metrics_path)

    async def respond(self, request: Request) -> Response:
        """Answer a request."""
        response = await self._response(request)
        headers = {
            # Later entries win: the page's own header is stricter than the configured one.
            **{name.lower(): value for name, value in self._settings.headers.items()},
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
            **response.headers,
        }
        return replace(response, headers=headers)

    async def _response(self, request: Request) -> Response:
        try:
            return await self._refusal(request) or await self._answer(request)
        except Exception as error:  # noqa: BLE001 – a failed page must not show a traceback to the client or in the log
            log.error("unexpected error", extra=facts(error=type(error).__name__, path=request.path))
            return Response("Internal error.\n", 500)

    async def _refusal(self, request: Request) -> Response | None:
        hosts = self._settings.hosts
        if hosts and request.path in self._pages and not hosts.allow(request.headers.get("host", "")):
            return Response("This host name is not allowed. Add it to the flag --web.allowed-hosts.\n", 421)
        self._settings.refresh()
        if not self._settings.rate.allows():
            return Response("Too many requests.\n", 429)
        auth = self._settings.auth
        if auth is None or request.path in self._settings.config.auth_excluded_paths:
            return None
        if await auth.admits(request.headers.get("authorization", ""), request.client):
            return None
        return Response("Unauthorized.\n", 401, headers={"www-authenticate": "Basic"})

    async def _answer(self, request: Request) -> Response:
        if request.path not in self._routes:
            return Response("Not found.\n", 404)
        method, handler = self._routes[request.path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            return Response("Method not allowed.\n", 405, headers={"allow": ", ".join(allowed)})
        return await handler(request)

    async def _get_status(self, request: Request) -> Response:
        headers = {"content-security-policy": content_security_policy(), "referrer-policy": "no-referrer"}
        refreshes = "off" not in request.values("refresh")
        await request.client.take_turn()
        made: Made | None
        if account_ids := request.values("account"):
            of = partial(self._status_page.of, account_ids[0], refreshes=refreshes)
            made = await asyncio.wrap_future(call(of, "status page"))
        else:
            made = await self._shared_status[refreshes].get()
        if made is None:
            return Response("This account is not configured.\n", 404)
        if refreshes:
            headers["refresh"] = str(made.refresh)
        return Response((made.page,), content_type="text/html; charset=utf-8", headers=headers)

    async def _get_healthy(self, request: Request) -> Response:
        return Response("The exporter is alive.\n")

    async def _get_ready(self, request: Request) -> Response:
        if self._snapshots.all_tried():
            return Response("The exporter is ready.\n")
        return Response("Some targets have not been polled yet.\n", 503)

    async def _post_reload(self, request: Request) -> Response:
        if self._reload is None:
            return Response("Reloading needs the flag --web.enable-lifecycle.\n", 403)
        if _is_from_a_page(request):
            return Response("A web page may not reload the configuration.\n", 403)
        if self._reloading >= MAX_RELOADS:
            return Response("The configuration is being reloaded.\n", 503, headers={"retry-after": "5"})
        try:
            self._reloading += 1
            await asyncio.wrap_future(call(self._reload, "reload"))
        except ConfigError as error:
            return Response(f"The configuration was not reloaded: {error}\n", 500)
        finally:
            self._reloading -= 1
        return Response("The configuration was reloaded.\n")

    async def _get_metrics(self, request: Request) -> Response:
        await request.client.take_turn()
        form, content_type = negotiate(request.headers.get("accept", ""))
        page = self._snapshots.current_page(form) or await self._shared_pages[form].get()
        own = exposition.encode(self._registry.collect(), form)
        if names := frozenset(request.values("name[]")):
            page, own = (
                await asyncio.wrap_future(call(partial(page.restricted, names), "scrape")),
                own.restricted(names),
            )
        headers = {"vary": "accept, accept-encoding"}
        if not gzip_accepted(request.headers.get("accept-encoding", "")):
            return Response(page.text_with(own), content_type=content_type, headers=headers)
        headers["content-encoding"] = "gzip"
        return Response(page.gzip_with(own), content_type=content_type, headers=headers)


def _is_from_a_page(request: Request) -> bool:
    """Return whether a web page sent the request, from any site: with DNS rebinding, the site proves nothing."""
    return "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none"
