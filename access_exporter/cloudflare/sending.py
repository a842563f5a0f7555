"""One signed request out, one answer in: within its time, bounded in size, and every failure a PollError."""

import contextlib
import io
from collections.abc import Mapping
from time import monotonic
from typing import Any, NamedTuple

import requests
import urllib3

from access_exporter.cloudflare import failures
from access_exporter.errors import InvalidResponseError, NetworkError, PollError, PollTimeoutError

MAX_BODY_BYTES = 4 * 1024 * 1024  # a page of 1000 rows takes about 0.4 MB; decoded, odd JSON takes 25 times its size
MAX_REFUSAL_BYTES = 64 * 1024  # of a refusal only the codes are read
_WITH_RESULT = (200, 201, 202)


class Answer(NamedTuple):
    """What came back. A body that is too large ends one byte above the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(session: requests.Session, request: requests.PreparedRequest, place: str, timeout: float) -> Answer:
    """Send one request, once, and return its answer.

    `place` names the endpoint in messages; `timeout` bounds the whole, in seconds. Raises a PollError where no whole
    answer comes, with `was_sent` False where surely nothing left.
    """
    deadline = monotonic() + timeout
    total: Any = urllib3.Timeout(total=timeout)  # Any: the stubs of requests know numbers only
    try:
        with session.send(request, timeout=total, stream=True) as response:
            return Answer(response.status_code, response.headers, _body(response, deadline))
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError) as error:
        late = f"no whole answer of {place} within {timeout:g} s"
        raise _unanswered(PollTimeoutError(late), error) from None
    except urllib3.exceptions.DecodeError:
        raise InvalidResponseError(f"the answer of {place} cannot be unpacked") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
        failed = f"no whole answer of {place}: {failures.in_words(error)}"
        raise _unanswered(NetworkError(failed), error) from None


def _body(response: requests.Response, deadline: float) -> bytes:
    """Return the body; a refusal is one whatever comes of its body."""
    if response.status_code in _WITH_RESULT:
        return _read(response, MAX_BODY_BYTES, deadline)
    with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        return _read(response, MAX_REFUSAL_BYTES, deadline)
    return b""


def _read(response: requests.Response, most: int, deadline: float) -> bytes:
    """Return the unpacked body, of which at most one byte above `most` is read, up to a monotonic moment."""
    body, left = io.BytesIO(), most + 1
    while left and (piece := response.raw.read1(left, decode_content=True)):
        left -= body.write(piece)
        if monotonic() > deadline:
            raise TimeoutError
    return body.getvalue()


def _unanswered(failure: PollError, error: Exception) -> PollError:
    failure.was_sent = not failures.was_not_sent(error)
    return failure
