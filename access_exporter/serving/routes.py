"""The pages served over HTTP, as an ASGI application; nothing here ever waits for Cloudflare."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry

from access_exporter import exposition
from access_exporter.background import call
from access_exporter.errors import ConfigError
from access_exporter.exposition import Encoded, Page
from access_exporter.logs import facts
from access_exporter.polling import Snapshots
from access_exporter.serving.basic_auth import Verdict
from access_exporter.serving.negotiation import gzip_accepted, negotiate
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.status_style import content_security_policy
from access_exporter.serving.web_config import WebSettings

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
PIECE_BYTES = 32 * 1024
MAX_RELOADS = 2  # one under way, and one for what has changed since it began


@dataclass(frozen=True)
class Request:
    """A request's path, query and headers (their names in lower case), and the address of who sent it."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    client: str


@dataclass(frozen=True)
class Response:
    """An answer: text, sent as UTF-8, or bytes in parts."""

    body: str | tuple[bytes, ...]
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


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
        """`reload` raises ConfigError when the new configuration is not used; None means it is switched off."""
        self._settings = settings
        self._snapshots = snapshots
        self._registry = registry
        self._status_page = status_page
        self._reload = reload
        self._reloading = 0
        self._making = asyncio.Lock()
        self._routes: dict[str, tuple[str, Callable[[Request], Awaitable[Response]]]] = {
            "/": ("GET", self._get_status),
            "/-/healthy": ("GET", self._get_healthy),
            "/-/ready": ("GET", self._get_ready),
            "/-/reload": ("POST", self._post_reload),
            metrics_path: ("GET", self._get_metrics),
        }

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request (https://asgi.readthedocs.io/en/latest/specs/www.html)."""
        if scope["type"] != "http":
            return
        request = Request(
            scope["method"],
            _path(scope["path"]),
            parse_qs(scope["query_string"].decode("latin-1")),
            {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            scope["client"][0] if scope.get("client") else "",
        )
        response = await self._response(request)
        parts = (response.body.encode(errors="replace"),) if isinstance(response.body, str) else response.body
        headers = {
            # A page's own header is the stricter one.
            **{name.lower(): value for name, value in self._settings.headers.items()},
            "content-type": response.content_type,
            "content-length": str(sum(map(len, parts))),
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
            **response.headers,
        }
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": raw})
        for piece in _pieces(parts) if request.method != "HEAD" else ():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async def _response(self, request: Request) -> Response:
        try:
            return await self._refusal(request) or await self._answer(request)
        except Exception as error:  # noqa: BLE001 – a page that fails must not take a trace of it to the client or log
            log.error("unexpected error", extra=facts(error=type(error).__name__, path=request.path))
            return Response("Internal error.\n", 500)

    async def _refusal(self, request: Request) -> Response | None:
        self._settings.refresh()
        if self._settings.auth is None:
            return None
        verdict = await self._settings.auth.check(request.headers.get("authorization", ""), request.client)
        if verdict is Verdict.BUSY:
            return Response("Too many passwords are being checked.\n", 503, headers={"retry-after": "5"})
        if verdict is Verdict.REFUSED:
            return Response("Unauthorized.\n", 401, headers={"www-authenticate": "Basic"})
        return None

    async def _answer(self, request: Request) -> Response:
        if request.path not in self._routes:
            return Response("Not found.\n", 404)
        method, handler = self._routes[request.path]
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            return Response("Method not allowed.\n", 405, headers={"allow": ", ".join(allowed)})
        return await handler(request)

    async def _get_status(self, request: Request) -> Response:
        policy = {"content-security-policy": content_security_policy(), "referrer-policy": "no-referrer"}
        return Response(self._status_page.render(), content_type="text/html; charset=utf-8", headers=policy)

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
        form, content_type = negotiate(request.headers.get("accept", ""))
        page = self._snapshots.current_page(form) or await self._in_thread(partial(self._snapshots.page, form))
        own = exposition.encode(self._registry.collect(), form)
        if names := request.query.get("name[]"):
            page, own = await self._in_thread(partial(page.restricted, own, names)), Encoded()
        headers = {"vary": "accept, accept-encoding"}
        if not gzip_accepted(request.headers.get("accept-encoding", "")):
            return Response(page.text_with(own), content_type=content_type, headers=headers)
        headers["content-encoding"] = "gzip"
        return Response(page.gzip_with(own), content_type=content_type, headers=headers)

    async def _in_thread(self, make: Callable[[], Page]) -> Page:
        """Make a page while other requests are answered; one after the other, so that scrapes share one."""
        async with self._making:
            return await asyncio.wrap_future(call(make, "scrape"))


def _pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Cut an answer up, so that a client is given no more of it than it reads, and a page is not copied for each.

    However small its parts, all pieces but the last are full: each is a system call, after which a scrape waits for
    its turn while a poll computes.
    """
    piece = b""
    for part in parts:
        rest = memoryview(part)
        while len(piece) + len(rest) > PIECE_BYTES:
            room = PIECE_BYTES - len(piece)
            yield piece + rest[:room]
            piece, rest = b"", rest[room:]
        piece += rest
    yield piece


def _path(target: str) -> str:
    """Return the path of a request's target, which may be a whole address: RFC 9112, section 3.2.2."""
    whole = target.startswith(("http://", "https://"))
    return "/" + target.partition("://")[2].partition("/")[2] if whole else target


def _is_from_a_page(request: Request) -> bool:
    """Tell whether a web page in a browser sent the request, of whatever site: a name can be made to lead here."""
    return "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none"
