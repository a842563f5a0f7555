"""Sends requests to Cloudflare within the rate limit, with retries and deadlines. No other file sends any."""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import cached_property, partial
from threading import Event
from typing import Generic, TypeVar

import requests

from access_exporter.background import Background
from access_exporter.clock import Clock, Stopwatch
from access_exporter.cloudflare import quota, refusals, responses, retries, transport
from access_exporter.cloudflare.calls import STARTED, Call
from access_exporter.cloudflare.credentials import Credential, is_repeated
from access_exporter.cloudflare.cursor import CursorPage, CursorPages, CursorWalk
from access_exporter.cloudflare.endpoints import Resource
from access_exporter.cloudflare.known_lists import KnownLists
from access_exporter.cloudflare.metrics import RequestMetrics, code_of
from access_exporter.cloudflare.pagination import NOTHING_FOUND, Found, Page, PageInfo, Row, Walk
from access_exporter.cloudflare.progress import WalkProgress
from access_exporter.cloudflare.rate_limit import RateLimiters
from access_exporter.cloudflare.responses import Decoded
from access_exporter.cloudflare.sending import MAX_BODY_BYTES, Answer, send
from access_exporter.config import Api
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

MAX_RETRY_WAIT_SECONDS = 30  # the most that one request waits between its tries; a longer wait fails the poll
SOON_SECONDS = 5

T = TypeVar("T")


class Client:
    """Sends requests to Cloudflare with one credential."""

    def __init__(
        self, api: Api, credential: Credential, rate_limiters: RateLimiters, metrics: RequestMetrics, clock: Clock
    ) -> None:
        """Create a client; the first request opens the connection."""
        self.api = api
        self.credential = credential
        self._rate_limiters = rate_limiters
        self._metrics = metrics
        self._clock = clock
        self._lists = KnownLists()

    @cached_property
    def _session(self) -> requests.Session:
        """The connections, created by the first request: `--config.check` creates clients but sends no request."""
        return transport.session(self.api, self.api.concurrency + 1)  # one more for optional requests

    @property
    def url(self) -> str:
        """The address of the API."""
        return self.api.url.rstrip("/")

    @property
    def settings(self) -> tuple[object, ...]:
        """The API settings and the source of the secret: two clients with equal settings behave the same."""
        return self.api, self.credential.source

    def get(self, resource: Resource, result: type[T]) -> T:
        """Send a GET and return its decoded `result`.

        Raises PollError if there is no valid result; the message gives the reason.
        """
        return self._get(self._call(resource), result).some

    def get_once(self, resource: Resource, result: type[T]) -> T:
        """Send a GET without retries and return its decoded `result`. This is for optional requests.

        Required requests never wait for it to end. Raises PollError if the request fails, or if the rate limit would
        delay it for more than SOON_SECONDS. A 429 still pauses the credential.
        """
        return self._ask_once(replace(self._call(resource), patience=SOON_SECONDS, is_optional=True), result)

    def post(self, resource: Resource, result: type[T], body: object, before: Callable[[], None]) -> T:
        """Send a POST once, without retries, and return its decoded `result`.

        The client calls `before` right before it sends the POST. Raises PollError as `get` does. While the credential
        is paused, raises RateLimitedError and does not call `before`. The error has `was_sent` False if the POST
        certainly was not sent.
        """
        with contextlib.suppress(ConfigError):  # another program may be replacing the file: the old secret still works
            self.credential.rotate()
        with transport.session(self.api, 1) as session:  # a new connection: an idle one may be dead
            request = self._request("POST", resource, json=body)
            call = Call(resource.endpoint, session, request, before=before, good=STARTED)
            return self._ask_once(call, result)

    def walk(
        self,
        resource: Resource,
        row: type[Row],
        within: float,
        before: Found = NOTHING_FOUND,
        *,
        progress: WalkProgress | None = None,
        is_optional: bool = False,
    ) -> Walk[Row]:
        """Return a walk, which reads every row of a list page by page. `before` is the result of the last walk over it.

        Iterating raises PollError as `get` does, and PollTimeoutError if the walk takes longer than `within` seconds.
        Required requests never wait for an optional walk. `progress` counts the pages.
        """
        call = replace(self._call(resource), is_optional=is_optional, progress=progress)
        pages = _Pages(self, self._clock, call, row, within)
        if progress:
            progress.begin(before.rows, pages.size)
        known, has_totals = self._lists.of(resource.path), resource.endpoint.has_totals
        return Walk(pages, pages.size, self.api.concurrency, before, known, has_totals=has_totals)

    def cursor_walk(
        self,
        resource: Resource,
        row: type[Row],
        within: float,
        before: int = 0,
        *,
        progress: WalkProgress | None = None,
        is_optional: bool = False,
    ) -> CursorWalk[Row]:
        """Return a walk over a list with cursor pagination; the last walk listed `before` rows.

        Iterating raises PollError as `walk` does. If the API refuses a page of `api.page_size` rows, the walk requests
        smaller pages. Required requests never wait for an optional walk. `progress` counts the pages.
        """
        call = replace(self._call(resource), is_optional=is_optional)
        if progress:
            progress.begin(before, self.api.page_size)
        give_up_at = self._clock.monotonic() + within

        def fetch(query: str) -> CursorPage[Row]:
            if self._clock.monotonic() > give_up_at:
                raise PollTimeoutError(f"the poll did not reach the end of {call.endpoint.place} within {within:g} s")
            whole = replace(call, query=f"?{resource.endpoint.query}&{query}")
            answer = self._get(whole, list[row])  # type: ignore[valid-type]  # mypy cannot use a variable as a type
            page = CursorPage.of(answer.result, answer.info)
            if progress:
                progress.note(len(page.rows), page.total)
            return page

        return CursorWalk(CursorPages(fetch, self.api.page_size), self._lists.of(resource.path).doubts, before)

    def page(self, call: Call, row: type[Row]) -> Page[Row]:
        """Return one page of a list; raises PollError as `get` does."""
        answer = self._get(call, list[row])  # type: ignore[valid-type]  # mypy cannot use a variable as a type
        is_null, info = answer.result is None, PageInfo.of(answer.info)
        return Page(answer.result or [], info, is_null, answer.invalid_rows, answer.size)

    def _call(self, resource: Resource) -> Call:
        return Call(resource.endpoint, self._session, self._request("GET", resource))

    def _request(self, method: str, resource: Resource, json: object = None) -> requests.PreparedRequest:
        """Return a request without a credential. Preparing one is expensive: half the CPU time of sending it."""
        return self._session.prepare_request(requests.Request(method, self.url + resource.path, json=json))

    def _ask_once(self, call: Call, result: type[T]) -> T:
        return self._attempt(call, self.credential.headers(), result).some

    def _get(self, call: Call, result: type[T]) -> Decoded[T]:
        """Send the request, and retry until it succeeds, fails permanently, or no try is left."""
        tries, waited, refreshed = retries.TRIES, 0.0, False
        while True:
            headers = self.credential.headers()
            try:
                return self._attempt(call, headers, result)
            except (AuthError, PermissionMissingError):
                if refreshed or not self._renewed(headers):
                    raise
                refreshed = True
            except RetryableError as failure:
                tries = retries.next_try(tries)
                wait = retries.wait(failure, tries)
                waited += wait
                if isinstance(failure, RateLimitedError):
                    self._rate_limiters.of(headers).pause(wait)
                if tries.is_exhausted() or waited > MAX_RETRY_WAIT_SECONDS:
                    raise
                if not isinstance(failure, RateLimitedError):
                    self._clock.sleep(wait)
            self._metrics.retries.labels(call.endpoint.name).inc()

    def _renewed(self, refused: dict[str, str]) -> bool:
        """Return whether there is a new secret to try; wait a moment if the secret file cannot be read."""
        for _ in range(3):
            with contextlib.suppress(ConfigError):
                return self.credential.renewed(refused)
            self._clock.sleep(1)
        return False

    def _attempt(self, call: Call, headers: dict[str, str], result: type[T]) -> Decoded[T]:
        limiter = self._rate_limiters.of(headers)
        if (left := limiter.paused_for()) > min(call.patience, MAX_RETRY_WAIT_SECONDS):
            paused = f"after a 429 the credential is paused for {left:.0f} s more"
            raise RateLimitedError(f"rate-limit budget exhausted: {paused}", left)
        with limiter.turn(call.patience, is_optional=call.is_optional):
            call.before()
            status, answered, body, deadline = self._send(call, headers)
            quota.follow(answered, self.credential, limiter)
            if status not in call.good:
                failure = refusals.refusal(call.endpoint, status, answered, body)
                failure.status = status
                if isinstance(failure, RateLimitedError):  # pause before the next waiting request may leave
                    limiter.pause(retries.wait(failure, retries.next_try(retries.TRIES)))
                raise failure
        if call.endpoint.shows_text and is_repeated(headers, body):
            raise InvalidResponseError(f"the response from {call.endpoint.place} repeats the token or key")
        if len(body) > MAX_BODY_BYTES:
            larger = f"the response from {call.endpoint.place} is larger than {MAX_BODY_BYTES} bytes"
            raise InvalidResponseError(f"{larger}; try a smaller api.page_size")
        return responses.decode(call.endpoint, body, result, deadline)

    def _send(self, call: Call, headers: dict[str, str]) -> Answer:
        """Send the request once, and count it by its status or failure."""
        endpoint, code = call.endpoint, NetworkError.reason
        watch = Stopwatch(self._clock)
        self._metrics.retries.labels(endpoint.name)  # creates the counter at 0 with the first request
        try:
            answer = send(call.session, call.signed(headers), endpoint.place, self.api.timeout)
            code = code_of(answer.status)
            return answer
        except PollTimeoutError:
            code = PollTimeoutError.reason
            raise
        finally:
            self._metrics.requests.labels(endpoint.name, code).inc()
            self._metrics.duration.labels(endpoint.name).observe(watch.seconds())


class _Pages(Generic[Row]):
    """Fetches the pages of one list by number, until `within` seconds from now have passed."""

    def __init__(self, client: Client, clock: Clock, call: Call, row: type[Row], within: float) -> None:
        self._client = client
        self._clock = clock
        self._abandoned = Event()
        # A function, because a method of this object would keep connections open until a garbage collection.
        self._call = replace(call, before=partial(_check_wanted, self._abandoned))
        self._row = row
        self._within = within
        self._give_up_at = clock.monotonic() + within
        self.size = min(client.api.page_size, call.endpoint.page_size)
        self._background = Background(client.api.concurrency)
        self._total: int | None = None

    def fetch(self, number: int) -> Page[Row]:
        if self._clock.monotonic() > self._give_up_at:
            place = self._call.endpoint.place
            raise PollTimeoutError(f"the poll did not reach page {number} of {place} within {self._within:g} s")
        query = f"?page={number}&per_page={self.size}"
        try:
            page = self._client.page(replace(self._call, query=query), self._row)
        except PollError as failure:
            failure.total = self._total
            raise
        self._total = page.info.total_count
        if self._call.progress:
            self._call.progress.note(len(page.rows), self._total)
        return page

    def start(self, number: int) -> Future[Page[Row]]:
        return self._background.start(self.fetch, number)

    def close(self) -> None:
        """Send no more requests: the walk does not need pages that were fetched ahead."""
        self._abandoned.set()
        self._background.close()


def _check_wanted(abandoned: Event) -> None:
    if abandoned.is_set():
        raise StoppingError("the poll was abandoned")
