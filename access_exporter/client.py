"""The only place that talks to Cloudflare: paced, retried, bounded.

cloudflare_access_api_requests_total{code="200",endpoint="users"} 12.0
cloudflare_access_api_retries_total{endpoint="users"} 1.0
cloudflare_access_api_ratelimit_remaining{credential="…"} 1188.0
"""

import contextlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, TypeVar
from urllib.parse import quote

import prometheus_client
import requests
import urllib3
from prometheus_client import Metric
from prometheus_client.registry import Collector
from urllib3.util import Retry, Timeout

from access_exporter import answers, paging, transport
from access_exporter.answers import Endpoint, Envelope
from access_exporter.background import Background
from access_exporter.clock import Clock
from access_exporter.config import Api
from access_exporter.credentials import Credential
from access_exporter.errors import (
    AuthError,
    ConfigError,
    InvalidResponseError,
    NetworkError,
    PermissionMissingError,
    PollError,
    PollTimeoutError,
    RateLimitedError,
    RetryableError,
    StoppingError,
)
from access_exporter.exposition import gauge
from access_exporter.pacing import Pacer

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 1000 rows takes about 0.4 MB; decoded, odd JSON takes 25 times its size
MAX_REFUSAL_BYTES = 64 * 1024  # of a refusal only the codes are read
MAX_RETRY_WAIT_SECONDS = 30  # what one request waits between its tries; a longer wait fails the poll and says so
SOON_SECONDS = 5
CLOUDFLARE_QUOTA = 1200
LITTLE_LEFT = 0.1  # of the quota: from there on what is left is spread over the time it must last

# Three more tries after 0.5, 1 and 2 seconds, each up to half a second later; the first step of Retry is no wait.
_TRIES = Retry(total=4, backoff_factor=0.25, backoff_jitter=0.5).increment("GET")

T = TypeVar("T")
Row = TypeVar("Row", bound=paging.HasId)


class Metrics(Collector):
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
        self.credentials: Sequence[Credential] = ()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield what the credentials in use know of themselves."""
        yield gauge(
            "cloudflare_access_api_ratelimit_remaining",
            "Requests the credential has left in Cloudflare's current window, as the last answer told; "
            "the credential is named by the first account that uses it.",
            [({"credential": each.name}, each.remaining) for each in self.credentials],
        )


class Client:
    """Asks Cloudflare in the name of one credential."""

    def __init__(
        self,
        api: Api,
        credential: Credential,
        pacer_of: Callable[[Mapping[str, str]], Pacer],
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Open no connection yet; `pacer_of` tells whose pace counts, by the headers that sign a request."""
        self._api = api
        self._credential = credential
        self._pacer_of = pacer_of
        self._metrics = metrics
        self._clock = clock
        self._session = transport.session(api.url, api.concurrency)

    def get(self, endpoint: Endpoint, result: type[T], **ids: str) -> T:
        """Return the decoded `result` of one GET; `ids` fill the endpoint's path.

        Raises a PollError with the reason, in words, for every other outcome.
        """
        call = _Call(self._session, self._request("GET", endpoint, ids))
        return self._get(endpoint, result, call).result  # type: ignore[return-value]

    def get_once(self, endpoint: Endpoint, result: type[T], **ids: str) -> T:
        """As `get`, but in a single request that is not sent where its turn does not come soon.

        That is for what must hold up nothing else. Raises a PollError, and a 429 still pauses the credential.
        """
        call = _Call(self._session, self._request("GET", endpoint, ids), patience=SOON_SECONDS)
        return self._ask_once(endpoint, result, call)

    def post(self, endpoint: Endpoint, result: type[T], body: object, before: Callable[[], None], **ids: str) -> T:
        """Send one POST, never a second time whatever comes of it, and return the decoded `result`.

        `before` is called when nothing keeps it from being sent any longer. Raises as `get` does: RateLimitedError
        without a call of `before` while the credential is paused, and with `was_sent` False where it surely was not.
        """
        with contextlib.suppress(ConfigError):  # a file that is being replaced: what it held is still there
            self._credential.refresh()
        with transport.session(self._api.url, 1) as session:  # no connection that was left open and may be gone
            request = self._request("POST", endpoint, ids, json=body)
            call = _Call(session, request, before=before, good=_STARTED)
            return self._ask_once(endpoint, result, call)

    def _ask_once(self, endpoint: Endpoint, result: type[T], call: "_Call") -> T:
        return self._attempt(endpoint, call, self._credential.headers(), result).result  # type: ignore[return-value]

    def rows(
        self,
        endpoint: Endpoint,
        row: type[Row],
        within: float,
        expected: float = 0,
        *,
        were_right: bool = False,
        **ids: str,
    ) -> Generator[list[Row], None, bool]:
        """Yield every row of a list once, page by page; where many are expected, the first pages are asked for at once.

        `were_right` says whether the totals of the list were right the last time; the same of this time is returned.
        Raises as `get` does, and PollTimeoutError when the walk takes longer than `within` seconds.
        """
        give_up_at = self._clock.monotonic() + within
        abandoned = Event()
        # Once for all pages: to prepare a request costs half as much as to send it.
        whole = self._request("GET", endpoint, ids)

        def still_wanted() -> None:
            if abandoned.is_set():
                raise StoppingError("nobody waits for this page any more")

        def fetch(number: int) -> paging.Page[Row]:
            if self._clock.monotonic() > give_up_at:
                raise PollTimeoutError(f"page {number} of {endpoint.place} was not reached within {within:g} s")
            query = f"?page={number}&per_page={self._api.page_size}"
            page = _Call(self._session, whole, query, before=still_wanted)
            answer = self._get(endpoint, list[row], page)  # type: ignore[valid-type]
            return paging.Page(answer.result or [], paging.PageInfo.of(answer.info))

        size, concurrency = self._api.page_size, self._api.concurrency
        with Background(concurrency) as background:
            try:
                pages = paging.walk(fetch, background.start, size, concurrency, expected, were_right=were_right)
                return (yield from pages)
            finally:
                abandoned.set()  # a page that is fetched ahead is of no use any more

    def _request(
        self, method: str, endpoint: Endpoint, ids: Mapping[str, str], json: object = None
    ) -> requests.PreparedRequest:
        """Return a request in nobody's name; `ids` fill the endpoint's path."""
        path = endpoint.path.format_map({name: quote(value, safe="") for name, value in ids.items()})
        return self._session.prepare_request(requests.Request(method, self._api.url.rstrip("/") + path, json=json))

    def _get(self, endpoint: Endpoint, result: type[T], call: "_Call") -> Envelope[T]:
        """Try until there is an answer, a failure that will not pass, or no try left."""
        tries, waited, refreshed = _TRIES, 0.0, False
        while True:
            headers = self._credential.headers()
            try:
                return self._attempt(endpoint, call, headers, result)
            except (AuthError, PermissionMissingError):
                if refreshed or not self._renewed(headers):
                    raise
                refreshed = True
            except RetryableError as failure:
                tries = _next_try(tries)
                wait = _wait(failure, tries)
                waited += wait
                if isinstance(failure, RateLimitedError):
                    self._pacer_of(headers).pause(wait)
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

    def _attempt(self, endpoint: Endpoint, call: "_Call", headers: dict[str, str], result: type[T]) -> Envelope[T]:
        pacer = self._pacer_of(headers)
        if (left := pacer.paused_for()) > min(call.patience, MAX_RETRY_WAIT_SECONDS):
            raise RateLimitedError(f"not asked: after a 429 the credential is paused for {left:.0f} s more", left)
        with pacer.turn(call.patience):
            call.before()
            status, answered, body = self._send(endpoint, call, headers)
            self._note_rate_limit(answered, pacer)
            if status not in call.good:
                failure = answers.refusal(endpoint, status, answered, body)
                if isinstance(failure, RateLimitedError):  # before anyone else gets the place
                    pacer.pause(_wait(failure, _next_try(_TRIES)))
                raise failure
        if len(body) > MAX_BODY_BYTES:
            raise InvalidResponseError(
                f"the answer of {endpoint.place} is larger than {MAX_BODY_BYTES} bytes; try a smaller api.page_size"
            )
        return answers.decode(endpoint, body, result)

    def _send(self, endpoint: Endpoint, call: "_Call", headers: dict[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and return status, headers and body, of which at most one byte above a limit is read."""
        code = NetworkError.reason
        started = self._clock.monotonic()
        self._metrics.retries.labels(endpoint.name)  # there from the first request on, at 0
        try:
            timeout: Any = Timeout(total=self._api.timeout)  # the stubs of requests miss it
            with call.session.send(call.signed(headers), timeout=timeout, stream=True) as response:
                body = _body(response)
                code = str(response.status_code)
                return response.status_code, response.headers, body
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            code = PollTimeoutError.reason
            late = f"no whole answer of {endpoint.place} within {self._api.timeout:g} s"
            raise _unanswered(PollTimeoutError(late), error) from None
        except urllib3.exceptions.DecodeError:
            raise InvalidResponseError(f"the answer of {endpoint.place} cannot be unpacked") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            failed = f"no whole answer of {endpoint.place}: {transport.in_words(error)}"
            raise _unanswered(NetworkError(failed), error) from None
        finally:
            self._metrics.requests.labels(endpoint.name, code).inc()
            self._metrics.duration.labels(endpoint.name).observe(self._clock.monotonic() - started)

    def _note_rate_limit(self, headers: Mapping[str, str], pacer: Pacer) -> None:
        """Follow `Ratelimit: "default";r=50;t=30`, r requests left for t seconds, of `Ratelimit-Policy`'s q=1200."""
        told = dict(re.findall(r"\b([rt])=(\d{1,9})\b", headers.get("Ratelimit", "")))
        if "r" not in told:
            return
        self._credential.remaining = int(told["r"])
        quota = re.search(r"\bq=(\d{1,9})\b", headers.get("Ratelimit-Policy", ""))
        if int(told["r"]) < LITTLE_LEFT * int(quota[1] if quota else CLOUDFLARE_QUOTA):
            pacer.slow_down(int(told["r"]), int(told.get("t", 0)))


_STARTED = (200, 201, 202)  # whatever the status, a good answer of a POST is one that names what was started


@dataclass(frozen=True)
class _Call:
    """What is sent and how.

    `before` is called right before it, `good` are the statuses of success, and `patience` is how many seconds it may
    wait for its turn.
    """

    session: requests.Session
    request: requests.PreparedRequest
    query: str = ""
    patience: float = float("inf")
    before: Callable[[], None] = lambda: None
    good: tuple[int, ...] = (200,)

    def signed(self, headers: Mapping[str, str]) -> requests.PreparedRequest:
        """Return the request in the name of a credential."""
        request = self.request.copy()
        request.url = f"{request.url}{self.query}"
        request.headers.update(headers)
        return request


def _body(response: requests.Response) -> bytes:
    """Return the body, of which at most one byte above a limit is read; a refusal is one whatever comes of its body."""
    if response.status_code in _STARTED:
        return response.raw.read(MAX_BODY_BYTES + 1, decode_content=True)
    with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        return response.raw.read(MAX_REFUSAL_BYTES + 1, decode_content=True)
    return b""


def _unanswered(failure: PollError, error: Exception) -> PollError:
    failure.was_sent = not transport.was_not_sent(error)
    return failure


def _wait(failure: RetryableError, tries: Retry) -> float:
    """Return the seconds to wait before the next of these tries: as long as the answer asks, if it does."""
    return tries.get_backoff_time() if failure.retry_after is None else failure.retry_after


def _next_try(tries: Retry) -> Retry:
    try:
        return tries.increment("GET")
    except urllib3.exceptions.MaxRetryError:
        return tries.new(total=-1)
