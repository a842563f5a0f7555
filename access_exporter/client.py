"""The only place that talks to Cloudflare: paced, retried, bounded, decoded, and every refusal put in words.

cloudflare_access_api_requests_total{code="200",endpoint="users"} 12.0
cloudflare_access_api_retries_total{endpoint="users"} 1.0
cloudflare_access_api_ratelimit_remaining{credential="…"} 1188.0
"""

import contextlib
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Event
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
import prometheus_client
import requests
import urllib3
from urllib3.util import Retry, Timeout

from access_exporter import mismatch, paging, transport
from access_exporter.background import Background
from access_exporter.clock import Clock
from access_exporter.config import Api
from access_exporter.credentials import Credential
from access_exporter.errors import (
    AuthError,
    ConfigError,
    InvalidResponseError,
    NetworkError,
    NotFoundError,
    NotSentError,
    PermissionMissingError,
    PollError,
    PollTimeoutError,
    RateLimitedError,
    RetryableError,
    ServerError,
    StoppingError,
)
from access_exporter.pacing import Pacer

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 1000 rows takes about 0.4 MB; decoded, odd JSON takes 25 times its size
# A page of 1000 rows has 11,000 values. More of them, decoded the slow way, would leave Python's memory in fragments.
MAX_ODD_VALUES = 50_000
MAX_REFUSAL_BYTES = 64 * 1024  # of a refusal only the codes are read
MAX_RETRY_WAIT_SECONDS = 30  # what one request waits between its tries; a longer wait fails the poll and says so
# "Once exceeded, every call is refused for the next five minutes": no later word of the server is believed.
MAX_PAUSE_SECONDS = 300
CLOUDFLARE_QUOTA = 1200
LITTLE_LEFT = 0.1  # of the quota: from there on what is left is spread over the time it must last

# Three more tries after 0.5, 1 and 2 seconds, each up to half a second later; the first step of Retry is no wait.
_TRIES = Retry(total=4, backoff_factor=0.25, backoff_jitter=0.5).increment("GET")

T = TypeVar("T")
Row = TypeVar("Row", bound=paging.HasId)


class Endpoint(msgspec.Struct, frozen=True):
    """An API page: its name in metrics, its path below the account, and the permission it asks for."""

    name: str
    path: str
    permission: str

    @property
    def place(self) -> str:
        """The path as people are told it: below the account, and the same for every id."""
        return re.sub(r"\{\w+\}", "ID", self.path.removeprefix("/accounts/{account_id}"))


class Envelope(msgspec.Struct, Generic[T]):
    """The answer's outer shape; in practice any part can be missing."""

    success: bool | None = None
    errors: Any = None
    result: T | None = None
    result_info: Any = None


class Metrics:
    """What is counted about requests, over all credentials."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        """Register the families."""
        self.requests = prometheus_client.Counter(
            "cloudflare_access_api_requests",
            "Requests sent to Cloudflare, by HTTP status code, or timeout or network where no whole answer came.",
            ["endpoint", "code"],
            registry=registry,
        )
        self.duration = prometheus_client.Histogram(
            "cloudflare_access_api_request_duration_seconds",
            "Time from sending a request to Cloudflare to the end of its answer.",
            ["endpoint"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.retries = prometheus_client.Counter(
            "cloudflare_access_api_retries",
            "Requests that were sent again after a failure that may pass.",
            ["endpoint"],
            registry=registry,
        )
        self.ratelimit_remaining = prometheus_client.Gauge(
            "cloudflare_access_api_ratelimit_remaining",
            "Requests the credential has left in Cloudflare's current window, as the last answer told; "
            "the credential is named by the first account that uses it.",
            ["credential"],
            registry=registry,
        )


class Client:
    """Asks Cloudflare in the name of one credential."""

    def __init__(self, api: Api, credential: Credential, pacer: Pacer, metrics: Metrics, clock: Clock) -> None:
        """Open no connection yet."""
        self._api = api
        self._credential = credential
        self._pacer = pacer
        self._metrics = metrics
        self._clock = clock
        self._session = transport.session(api.url, api.concurrency)

    def get(self, endpoint: Endpoint, result: type[T], **ids: str) -> T:
        """Return the decoded `result` of one GET; `ids` fill the endpoint's path.

        Raises a PollError with the reason, in words, for every other outcome.
        """
        return self._get(endpoint, result, {}, ids).result  # type: ignore[return-value]

    def get_once(self, endpoint: Endpoint, result: type[T], **ids: str) -> T:
        """As `get`, but in a single request that waits for nothing but its turn, for what must hold up nothing else.

        While the credential is paused it is not sent. Raises a PollError, and a 429 still pauses the credential.
        """
        self._check_pause(0)
        return self._ask_once(endpoint, result, _Request(self._session, "GET", {}), ids)

    def post(self, endpoint: Endpoint, result: type[T], body: object, before: Callable[[], None], **ids: str) -> T:
        """Send one POST, never a second time whatever comes of it, and return the decoded `result`.

        `before` is called when nothing keeps it from being sent any longer. Raises as `get` does: RateLimitedError
        without a call of `before` while the credential is paused, NotSentError where it surely was not sent.
        """
        with contextlib.suppress(ConfigError):  # a file that is being replaced: what it held is still there
            self._credential.refresh()
        with transport.session(self._api.url, 1) as session:  # no connection that was left open and may be gone
            return self._ask_once(endpoint, result, _Request(session, "POST", {"json": body}, before, _STARTED), ids)

    def _ask_once(self, endpoint: Endpoint, result: type[T], request: "_Request", ids: dict[str, str]) -> T:
        try:
            answer = self._attempt(endpoint, _path(endpoint, ids), request, self._credential.headers(), result)
        except RateLimitedError as refusal:
            wait = _next_try(_TRIES).get_backoff_time() if refusal.retry_after is None else refusal.retry_after
            self._pacer.pause(min(wait, MAX_PAUSE_SECONDS))
            raise
        return answer.result  # type: ignore[return-value]

    def rows(self, endpoint: Endpoint, row: type[Row], within: float, **ids: str) -> Iterator[list[Row]]:
        """Yield every row of a list once, page by page.

        Raises as `get` does, and PollTimeoutError when the walk takes longer than `within` seconds.
        """
        give_up_at = self._clock.monotonic() + within
        abandoned = Event()

        def still_wanted() -> None:
            if abandoned.is_set():
                raise StoppingError("nobody waits for this page any more")

        def fetch(number: int) -> paging.Page[Row]:
            if self._clock.monotonic() > give_up_at:
                raise PollTimeoutError(f"page {number} of {endpoint.place} was not reached within {within:g} s")
            params = {"page": number, "per_page": self._api.page_size}
            answer = self._get(endpoint, list[row], params, ids, still_wanted)  # type: ignore[valid-type]
            return paging.Page(answer.result or [], paging.PageInfo.of(answer.result_info))

        with Background(self._api.concurrency) as background:
            try:
                yield from paging.walk(fetch, background.start, self._api.page_size, self._api.concurrency)
            finally:
                abandoned.set()  # a page that is fetched ahead is of no use any more

    def _get(
        self,
        endpoint: Endpoint,
        result: type[T],
        params: dict[str, int],
        ids: dict[str, str],
        before: Callable[[], None] = lambda: None,
    ) -> Envelope[T]:
        """Try until there is an answer, a failure that will not pass, or no try left."""
        path = _path(endpoint, ids)
        request = _Request(self._session, "GET", {"params": params}, before)
        tries, waited, refreshed = _TRIES, 0.0, False
        while True:
            headers = self._credential.headers()
            try:
                return self._attempt(endpoint, path, request, headers, result)
            except (AuthError, PermissionMissingError):
                if refreshed or not self._renewed(headers):
                    raise
                refreshed = True
            except RetryableError as failure:
                tries = _next_try(tries)
                wait = tries.get_backoff_time() if failure.retry_after is None else failure.retry_after
                waited += wait
                if isinstance(failure, RateLimitedError):
                    self._pacer.pause(min(wait, MAX_PAUSE_SECONDS))
                if tries.is_exhausted() or waited > MAX_RETRY_WAIT_SECONDS:
                    raise
                if not isinstance(failure, RateLimitedError):
                    self._clock.sleep(wait)
            self._metrics.retries.labels(endpoint.name).inc()

    def _renewed(self, refused: dict[str, str]) -> bool:
        """Tell whether there is another secret to try; a file that is being replaced is given a moment."""
        for _ in range(3):
            with contextlib.suppress(ConfigError):
                return self._credential.renewed(refused)
            self._clock.sleep(1)
        return False

    def _check_pause(self, bearable: float) -> None:
        """Raise RateLimitedError where the credential is paused for more than so many seconds."""
        if (left := self._pacer.paused_for()) > bearable:
            raise RateLimitedError(f"not asked: after a 429 the credential is paused for {left:.0f} s more", left)

    def _attempt(
        self, endpoint: Endpoint, path: str, request: "_Request", headers: dict[str, str], result: type[T]
    ) -> Envelope[T]:
        self._check_pause(MAX_RETRY_WAIT_SECONDS)
        with self._pacer.turn():
            request.before()
            status, answered, body = self._send(endpoint, path, request, headers)
        self._note_rate_limit(answered)
        if status not in request.good:
            raise _refusal(endpoint, status, answered, body)
        if len(body) > MAX_BODY_BYTES:
            raise InvalidResponseError(
                f"the answer of {endpoint.place} is larger than {MAX_BODY_BYTES} bytes; try a smaller api.page_size"
            )
        return _decode(endpoint, body, result)

    def _send(
        self, endpoint: Endpoint, path: str, request: "_Request", headers: dict[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and return status, headers and body, of which at most one byte above a limit is read."""
        code = NetworkError.reason
        started = self._clock.monotonic()
        self._metrics.retries.labels(endpoint.name)  # there from the first request on, at 0
        try:
            with request.session.request(
                request.method,
                self._api.url.rstrip("/") + path,
                **request.content,
                headers=headers,
                timeout=Timeout(total=self._api.timeout),  # type: ignore[arg-type]  # the stubs miss it
                stream=True,
            ) as response:
                limit = MAX_BODY_BYTES if response.status_code == 200 else MAX_REFUSAL_BYTES
                body = response.raw.read(limit + 1, decode_content=True)
                code = str(response.status_code)
                return response.status_code, response.headers, body
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            code = PollTimeoutError.reason
            raise PollTimeoutError(f"no whole answer of {endpoint.place} within {self._api.timeout:g} s") from None
        except urllib3.exceptions.DecodeError:
            raise InvalidResponseError(f"the answer of {endpoint.place} cannot be unpacked") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            kind = NotSentError if any(isinstance(cause, _NOT_SENT) for cause in _causes(error)) else NetworkError
            raise kind(f"no whole answer of {endpoint.place}: {_in_words(error)}") from None
        finally:
            self._metrics.requests.labels(endpoint.name, code).inc()
            self._metrics.duration.labels(endpoint.name).observe(self._clock.monotonic() - started)

    def _note_rate_limit(self, headers: Mapping[str, str]) -> None:
        """Follow `Ratelimit: "default";r=50;t=30`, r requests left for t seconds, of `Ratelimit-Policy`'s q=1200."""
        told = dict(re.findall(r"\b([rt])=(\d{1,9})\b", headers.get("Ratelimit", "")))
        if "r" not in told:
            return
        self._metrics.ratelimit_remaining.labels(self._credential.name).set(int(told["r"]))
        quota = re.search(r"\bq=(\d{1,9})\b", headers.get("Ratelimit-Policy", ""))
        if int(told["r"]) < LITTLE_LEFT * int(quota[1] if quota else CLOUDFLARE_QUOTA):
            self._pacer.slow_down(int(told["r"]), int(told.get("t", 0)))


_STARTED = (200, 201, 202)  # whatever the status, a good answer of a POST is one that names what was started


@dataclass(frozen=True)
class _Request:
    """What is sent, but for where to and in whose name; `before` is called right before it."""

    session: requests.Session
    method: str
    content: dict[str, Any]
    before: Callable[[], None] = lambda: None
    good: tuple[int, ...] = (200,)


def _path(endpoint: Endpoint, ids: Mapping[str, str]) -> str:
    return endpoint.path.format_map({name: quote(value, safe="") for name, value in ids.items()})


def _next_try(tries: Retry) -> Retry:
    try:
        return tries.increment("GET")
    except urllib3.exceptions.MaxRetryError:
        return tries.new(total=-1)


def _decode(endpoint: Endpoint, body: bytes, result: type[T]) -> Envelope[T]:
    """Decode an answer straight from its bytes; the slow way only where something in it is odd."""
    kind: Any = Envelope[result]  # type: ignore[valid-type]
    envelope: Envelope[T]
    try:
        envelope = _decoder(kind).decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        envelope = _decode_odd(endpoint, body, kind)
    if envelope.success is False or (not envelope.success and isinstance(envelope.errors, list) and envelope.errors):
        raise _refusal(endpoint, 200, {}, body)
    if envelope.result is None:
        raise InvalidResponseError(f"the answer of {endpoint.place} has no result")
    return envelope


@lru_cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _decode_odd(endpoint: Endpoint, body: bytes, kind: Any) -> Any:
    """Decode what is valid but rare: broken characters in a name, "" for a missing value, a time without a zone."""
    if body.count(b",") > MAX_ODD_VALUES:
        raise InvalidResponseError(f"the answer of {endpoint.place} is not as documented: more than a page can hold")
    data = _json(body)
    if data is None:
        raise InvalidResponseError(f"the answer of {endpoint.place} is not JSON")
    if isinstance(data, dict) and data.get("success") is False:
        raise _refusal(endpoint, 200, {}, body)
    try:
        return msgspec.convert(_tidy(data), kind)
    except msgspec.ValidationError as error:
        found = ": ".join(filter(None, mismatch.in_words(error)))
        raise InvalidResponseError(f"the answer of {endpoint.place} is not as documented: {found}") from None
    except UnicodeEncodeError:
        raise InvalidResponseError(f"the answer of {endpoint.place} is text of broken characters") from None
    except RecursionError:
        raise InvalidResponseError(f"the answer of {endpoint.place} is nested too deep") from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8-sig", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None


_TIME_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")


def _tidy(data: Any) -> Any:
    """Drop the fields of the result, or of its rows, that are empty strings, and read times without a zone as UTC."""
    if not isinstance(data, dict):
        return data
    result = data.get("result")
    if isinstance(result, dict):
        return data | {"result": _tidy_row(result)}
    if isinstance(result, list):
        return data | {"result": [_tidy_row(row) for row in result]}
    return data


def _tidy_row(row: Any) -> Any:
    if not isinstance(row, dict):
        return row
    return {
        name: value + "Z" if isinstance(value, str) and _TIME_WITHOUT_ZONE.fullmatch(value) else value
        for name, value in row.items()
        if value != ""
    }


def _refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> PollError:
    """Return the error that an answer other than a good one stands for.

    The codes are those of https://developers.cloudflare.com/fundamentals/api/troubleshooting/; the messages beside
    them are left out, since they may repeat what was sent.
    """
    codes = _codes(body)
    wait = _retry_after(headers)
    failed = " and success: false" if status == 200 else ""
    said = f"{status}{failed} from {endpoint.place}"
    said += f" (code {', '.join(map(str, sorted(codes)))})" if codes else ""
    said += f", to be asked again in {wait:.0f} s" if wait else ""
    if status == 429:
        return RateLimitedError(f"{said}: too many requests with this credential", wait)
    if status >= 500:
        return ServerError(f"{said}: trouble at Cloudflare, which passes by itself", wait)
    if status == 401 or codes & {6003, 6111}:
        return AuthError(
            f"{said}: the token or key is not accepted; check its value and that it is not expired, "
            f"and that it has the permission {endpoint.permission}"
        )
    if 9999 in codes:
        return NotFoundError(f"{said}: Zero Trust is not set up on this account")
    if status == 403 or codes & {9109, 10000}:
        return PermissionMissingError(
            f"{said}: the token needs the permission {endpoint.permission} on this account; "
            "if it has that, check its value and that it is not expired"
        )
    if status == 404 or 12130 in codes or (status == 400 and "{policy_test_id}" in endpoint.path):
        return NotFoundError(f"{said}: nothing there with this id; check the ids in the configuration")
    if 300 <= status < 400:
        return InvalidResponseError(f"{said}: a redirect, which is never followed; check api.url")
    unknown = "Cloudflare says that it failed, and not why" if status == 200 else "not an answer this API gives"
    return InvalidResponseError(f"{said}: {unknown}")


def _codes(body: bytes) -> set[int]:
    data = _json(body)
    errors = data.get("errors") if isinstance(data, dict) else None
    if not isinstance(errors, list):
        return set()
    codes = (error.get("code") for error in errors[:10] if isinstance(error, dict))
    return {code for code in codes if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10**9}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the answer asks to wait; None where it does not, or in a way nobody can follow."""
    try:
        wait = _TRIES.parse_retry_after(headers["Retry-After"])
    except (KeyError, urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    return min(wait, MAX_PAUSE_SECONDS)


def _in_words(error: BaseException) -> str:
    """Say what happened to a connection; the library's own words may hold a proxy's password."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of the server is not valid: {cause.verify_message}"
    at_the_proxy = any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes)
    for kind, words in _NETWORK_WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return f"at the proxy, {words}" if at_the_proxy else words
    return "the proxy did not let the connection through" if at_the_proxy else "the connection failed"


_NETWORK_WORDS: dict[type[BaseException], str] = {
    urllib3.exceptions.NameResolutionError: "the name of the host does not resolve",
    ssl.SSLError: "TLS could not be agreed on with the server",
    ConnectionRefusedError: "the connection was refused",
    requests.exceptions.InvalidURL: "the address of the proxy cannot be used",
    urllib3.exceptions.IncompleteRead: "the answer broke off",
    ConnectionError: "the connection was reset",
    requests.exceptions.InvalidHeader: "the answer was not HTTP or broke off",
    urllib3.exceptions.ProtocolError: "the answer was not HTTP or broke off",
}


# Connecting failed, or TLS did: urllib3 says so with these, and the certificate error has a class of its own.
_NOT_SENT = (urllib3.exceptions.NewConnectionError, ssl.SSLCertVerificationError)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((cause for cause in inner if isinstance(cause, BaseException)), None)
