"""One signed request out, one answer in: within its time, bounded in size, and every failure a PollError."""

import contextlib
from collections.abc import Mapping
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
    total: Any = urllib3.Timeout(total=timeout)  # Any: the stubs of requests know numbers only
    try:
        with session.send(request, timeout=total, stream=True) as response:
            return Answer(response.status_code, response.headers, _body(response))
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        late = f"no whole answer of {place} within {timeout:g} s"
        raise _unanswered(PollTimeoutError(late), error) from None
    except urllib3.exceptions.DecodeError:
        raise InvalidResponseError(f"the answer of {place} cannot be unpacked") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
        failed = f"no whole answer of {place}: {failures.in_words(error)}"
        raise _unanswered(NetworkError(failed), error) from None


def _body(response: requests.Response) -> bytes:
    """Return the body, of which at most one byte above a limit is read; a refusal is one whatever comes of its body."""
    if response.status_code in _WITH_RESULT:
        return response.raw.read(MAX_BODY_BYTES + 1, decode_content=True)
    with contextlib.suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        return response.raw.read(MAX_REFUSAL_BYTES + 1, decode_content=True)
    return b""


def _unanswered(failure: PollError, error: Exception) -> PollError:
    failure.was_sent = not failures.was_not_sent(error)
    return failure
