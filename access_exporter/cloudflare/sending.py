"""Sends one signed request and returns the response. Limits its time and size, and turns failures into a PollError."""

import contextlib
import math
from collections.abc import Mapping
from time import monotonic
from typing import Any, NamedTuple

import requests
import urllib3

from access_exporter.cloudflare import failures, unpacking
from access_exporter.cloudflare.refusals import MAX_REFUSAL_BYTES
from access_exporter.errors import InvalidResponseError, NetworkError, PollError, PollTimeoutError

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 1000 rows takes about 0.4 MB; in memory, unusual JSON takes 25 times that
_WITH_RESULT = (200, 201, 202)


class Answer(NamedTuple):
    """A response. A body that is too large is truncated one byte above the limit.

    `deadline` is the time of the monotonic clock at which the timeout of the request ends. It includes the decoding.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    deadline: float = math.inf


def send(session: requests.Session, request: requests.PreparedRequest, place: str, timeout: float) -> Answer:
    """Send a request once and return the response.

    `place` names the endpoint in messages. `timeout` limits the whole request, in seconds. Raises PollError if no
    complete response comes; its `was_sent` is False if the request certainly was not sent.
    """
    deadline = monotonic() + timeout
    total: Any = urllib3.Timeout(total=timeout)  # Any: the type stubs of requests allow only numbers
    trusted: Any = session.verify  # Any: the type stubs also allow None
    try:
        # Send without the session, which would follow redirects, keep cookies, and take a tenth longer.
        adapter = session.get_adapter(request.url or "")
        with adapter.send(request, stream=True, timeout=total, verify=trusted, proxies=session.proxies) as response:
            return Answer(response.status_code, response.headers, _body(response, deadline), deadline)
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        late = f"no complete response from {place} within {timeout:g} s"
        raise _unanswered(PollTimeoutError(late), error) from None
    except unpacking.UnpackingError as error:
        raise InvalidResponseError(f"cannot decompress the response from {place}: {error}") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
        failed = f"no complete response from {place}: {failures.in_words(error)}"
        raise _unanswered(NetworkError(failed), error) from None


def _body(response: requests.Response, deadline: float) -> bytes:
    """Return the body. If the body of a refusal cannot be read, return an empty one: the status says enough."""
    if response.status_code in _WITH_RESULT:
        return unpacking.read(response, MAX_BODY_BYTES, deadline)
    failed = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, unpacking.UnpackingError)
    with contextlib.suppress(*failed):
        return unpacking.read(response, MAX_REFUSAL_BYTES, deadline)
    return b""


def _unanswered(failure: PollError, error: Exception) -> PollError:
    failure.was_sent = not failures.was_not_sent(error)
    return failure
