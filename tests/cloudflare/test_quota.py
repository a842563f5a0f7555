"""The Ratelimit and Ratelimit-Policy headers: the pace that follows, and the remaining requests that are shown."""

import pytest
import responses

from access_exporter.cloudflare import quota
from access_exporter.cloudflare.quota import Left
from tests.api_client import Bench, Script, good


def paced(mock: responses.RequestsMock, headers: dict[str, str]) -> tuple[float | None, list[float]]:
    """Return the remaining requests shown after a response with these headers, and the wait before the next request."""
    bench = Bench()
    Script(mock, (200, headers, '{"result": {}}'), good())
    bench.get()
    bench.get()
    return bench.sample("ratelimit_remaining", credential="first account"), bench.clock.slept


@pytest.mark.parametrize(
    ("left", "policy", "remaining", "wait"),
    [
        # The item with the fewest remaining requests counts, at any position in the list.
        ('"default";r=900;t=200, "burst";r=3;t=40', "", 3, [10]),
        ('"burst";r=3;t=40, "default";r=900;t=200', "", 3, [10]),
        ('"burst";r=3;t=40,"default";r=900;t=200', "", 3, [10]),
        # The item that needs the longest time between two requests sets the pace.
        ('"second";r=1;t=2, "window";r=9;t=200', "", 1, [20]),
        ('"day";r=99;t=86400, "window";r=3;t=40', "", 3, [10]),
        ('"none";r=0;t=30, "window";r=9;t=200', "", 0, [30]),
        # A policy applies to items of the same name: few remaining requests of a small quota are normal.
        ('"burst";r=5;t=1', '"default";q=1200;w=300, "burst";q=10;w=1', 5, []),
        ('"default";r=110;t=111', '"burst";q=10;w=1, "default";q=1200;w=300', 110, [1]),
        ('"default";r=110;t=111, "burst";r=9;t=10', '"burst";q=10;w=1, "default";q=1200;w=300', 9, [1]),
        ('"default";r=4;t=5', '"default";q=10;w=1, "default";q=1200;w=300', 4, [1]),
        ('"other";r=110;t=111', '"burst";q=10;w=1', 110, [1]),
        # A name can contain the separators of items and parameters.
        ('"a,b;r=0;t=99";r=500;t=10', "", 500, []),
        (r'"a\",b;r=0";r=3;t=40, "c";r=900;t=9', "", 3, [10]),
        ('"a,b";r=9;t=10, "c";r=900;t=9', '"a,b";q=10;w=1', 9, []),
        # Names without quotes, unknown parameters and white space.
        ("default;r=3;t=40", "", 3, [10]),
        ('"default" ; r=3 ; t=40 , "x" ; r=8', "", 3, [10]),
        ('"default";pk=:cHsdsRa894==:;r=3;x;t=40;s="r=0, t=1";d=2.5;b=?1', "", 3, [10]),
        ('"default";r=500;r=3;t=40', "", 3, [10]),
        # Invalid items do not hide the valid items.
        (', ,;, "x";r=-1, "y";r=2.5, "z";r=x, "default";r=3;t=40, "v";t=9', "", 3, [10]),
        ('"default";r=3;t=40, "broken;r=', "", 3, [10]),
        ('"default";r=3;t=-5', "", 3, []),
        ('"default";r=3;t=40', '"default";q=;w=300', 3, [10]),
        ('"default";r=3;t=40', '"default";q=0;w=300', 3, [10]),
    ],
)
def test_lists(mock: responses.RequestsMock, left: str, policy: str, remaining: float, wait: list[float]) -> None:
    """The most restrictive item of the header sets both the pace and the number that is shown."""
    assert paced(mock, {"Ratelimit": left, "Ratelimit-Policy": policy}) == (remaining, wait)


@pytest.mark.parametrize("header", ["", ",", ";", '"', '"default"', '"r=3"', '"default";r=\u0663;t=4', '"a";r="3"'])
def test_header_without_a_number(mock: responses.RequestsMock, header: str) -> None:
    """A header without a number of requests changes nothing."""
    assert paced(mock, {"Ratelimit": header}) == (None, [])


def test_a_long_header() -> None:
    """The exporter reads the longest possible header quickly."""
    assert quota.left({"Ratelimit": '"default";r=3;t=40, ' + '"' * 60_000}) == [Left(3, 40, is_little=True)]
    assert len(quota.left({"Ratelimit": '"a";r=3;t=40,' * 5_000})) == 5_000
    unfinished = '"default";r=3;t=40, "' + r"\"" * 30_000
    assert quota.left({"Ratelimit": unfinished}) == [Left(3, 40, is_little=True)]
    assert len(quota.left({"Ratelimit": '"a";r=3;t=40,' * 500_000})) < 6_000
