"""The status page over HTTP: its refresh, the order of accounts, first polls, and seats."""

import asyncio
import re

import pytest

from access_exporter import __homepage__, __version__
from access_exporter.errors import AuthError
from access_exporter.serving.messages import Request
from tests.running_server import Asker
from tests.serving.status_site import Site, Stored, order, people, targets


class TestRefresh:
    """The browser reloads the page by itself, unless the reader stops that."""

    def test_interval(self) -> None:
        """The page reloads every 30 s, and every 10 s while a first poll is in progress."""
        site = Site("a")
        assert site.answer().headers["refresh"] == "10"
        site.clock.now += 1
        site.polled("a", people(5))
        assert site.answer().headers["refresh"] == "30"

    def test_refresh_can_be_stopped(self) -> None:
        """A link stops the refresh and another starts it again; both keep the selected account."""
        site = Site("a&b")
        for query in ("", "account=a%26b"):
            page = site.page(query)
            (stop,) = re.findall(r'href="\?([^"]*refresh=off)"', page)
            stopped = site.answer(stop.replace("&amp;", "&"))
            assert "refresh" not in stopped.headers
            (start,) = re.findall(r'href="\?([^"]*)">start<', b"".join(stopped.parts()).decode())
            assert start == query

    def test_metrics_are_never_refreshed(self) -> None:
        """The metrics page has no Refresh header."""
        request = Request("GET", "/metrics", "", {}, Asker())
        assert "refresh" not in asyncio.run(Site("a").web.respond(request)).headers


class TestOrder:
    """Urgent accounts come first."""

    @pytest.mark.parametrize("calm", [1, 10])
    def test_order_of_accounts(self, calm: int) -> None:
        """Failing accounts come first, then those over the seat limit, near it and below it; the fullest come first."""
        rest = [f"calm-{number}" for number in range(calm)]
        site = Site(*rest, "near", "nearer", "over", "further", "failing")
        for name, used in {"near": 80, "nearer": 95, "over": 101, "further": 140}.items():
            site.polled(name, people(used))
        for name in rest:
            site.polled(name, people(79))
        site.snapshots.failed(site.targets["failing", "users"], AuthError("401"), 1)
        assert order(site.page()) == ["failing", "further", "over", "nearer", "near", *rest]

    @pytest.mark.parametrize(
        ("used", "words"), [(101, "1 over"), (1100, "1,000 over"), (100, "100%"), (99.9, "99%"), (79.99, "79%")]
    )
    def test_share_is_never_rounded_up(self, used: float, words: str) -> None:
        """Over the limit the page shows the seats in excess, and it shows 100% only if all seats are used."""
        site = Site("a")
        site.polled("a", people(used))  # type: ignore[arg-type]  # part of a seat, so that the limit can be 100
        assert re.search(f'<p class="(?:bad|warn|calm)">{words}</p>', site.page())

    def test_many_accounts_are_a_list(self) -> None:
        """Each of many accounts has a line with a link to its details; an unknown account gets status 404."""
        site = Site(*(f"a-{number}" for number in range(7)))
        for number in range(7):
            site.polled(f"a-{number}", people(number))
        page = site.page()
        assert "last poll" not in page
        links = re.findall(r'href="\?(account=[^"]+)"', page)
        assert [order(site.page(link)) for link in links] == [[f"a-{number}"] for number in range(7)]
        assert "last poll" in site.page(links[0])
        assert site.answer("account=unknown").status == 404


class TestFirstPoll:
    """The page shows the progress of a first poll."""

    def test_pages_and_time(self) -> None:
        """The page shows the pages read, the expected pages and the remaining time."""
        site = Site("a")
        assert targets(site.page())[0].startswith("Users first poll under way every")
        with site.snapshots.under_way.follow(site.targets["a", "users"]) as progress:
            progress.begin(0, 1000)
            for _ in range(20):
                site.clock.now += 0.5
                progress.note(1000, 260_000)
            page = site.page()
        assert ">first poll under way</span>" in page
        assert "<p>20 of 260 pages read, about 2 min left</p>" in page

    def test_in_a_list(self) -> None:
        """With many accounts, the line of an account shows the progress of its first poll."""
        site = Site(*(f"a-{number}" for number in range(7)))
        with site.snapshots.under_way.follow(site.targets["a-3", "users"]) as progress:
            progress.note(1000, 5000)
            assert "first poll: 1 of 5 pages" in site.page()

    def test_after_a_restart(self) -> None:
        """After a restart, the page shows the progress of the first poll beside the stored numbers."""
        site = Site("a", store=Stored(people(7)))
        with site.snapshots.under_way.follow(site.targets["a", "users"]) as progress:
            progress.note(1000, 5000)
            page = site.page()
        assert "<p>1 of 5 pages read" in page
        assert "<strong>7</strong> of" in page

    def test_after_a_failure(self) -> None:
        """After a failed first poll, the page shows the progress of the next poll, because there are no numbers yet."""
        site = Site("a")
        site.snapshots.failed(site.targets["a", "users"], AuthError("401"), 1)
        with site.snapshots.under_way.follow(site.targets["a", "users"]) as progress:
            progress.note(1000, None)
            assert "next poll under way: 1 page read" in site.page()


class TestSeats:
    """The page shows used and idle seats."""

    def test_every_idle_day_and_unknown_activity(self) -> None:
        """The page shows idle seats for each configured number of days, and beside them seats of unknown activity."""
        site = Site("a")
        site.polled("a", people(40, idle={"30": 9, "60": 5, "90": 0}, activity_unknown={"30": 2, "60": 1, "90": 0}))
        found = dict(re.findall(r"<dt>Idle for (\d+) days</dt><dd>(.*?)</dd></div>", site.page()))
        unknown = "</dd><dd>+ {} unknown"
        assert found == {"30": "9" + unknown.format(2), "60": "5" + unknown.format(1), "90": "0"}

    def test_history(self) -> None:
        """After the second poll, a chart shows the used seats since the start, even if a later poll fails."""
        site = Site("a")
        site.polled("a", people(40))
        assert "<polyline" not in site.page()
        for used in (44, 38, 41):
            site.clock.now += 300
            site.polled("a", people(used))
        site.snapshots.failed(site.targets["a", "users"], AuthError("401"), 1)
        page = site.page()
        assert 'aria-label="38–44 seats used in the last 15 min"' in page
        assert '<polyline points="0,13 33,0 67,20 100,10"/>' in page

    def test_history_has_few_points(self) -> None:
        """After a day of polls, one a minute, the chart has fewer than 60 points."""
        site = Site("a")
        for poll in range(1440):
            site.clock.now += 60
            site.polled("a", people(poll % 50))
        (points,) = re.findall(r'<polyline points="([^"]+)"', site.page())
        assert 20 < len(points.split()) < 60


def test_links() -> None:
    """The page links to the metrics, the runbook and the changelog of the version."""
    page = Site("a").page()
    assert '<a href="/metrics">Metrics</a>' in page
    assert f'<a href="{__homepage__}/blob/main/docs/runbook.md">Runbook</a>' in page
    assert f'<a href="{__homepage__}/blob/main/CHANGELOG.md">Version {__version__}</a>' in page


def test_ages_count_in_the_browser() -> None:
    """Ages keep counting in the browser without JavaScript, and each has its exact time as a tooltip."""
    site = Site("a")
    site.polled("a", people(4))
    for passed, shown in ((17, '"s t1 u7"'), (102, '"s t11 u9"'), (661, '"min t1 u3"')):
        site.clock.now += passed
        assert f'<time class={shown} datetime="2026-09-21T14:13:20Z" title="2026-09-21 14:13:20 UTC">' in site.page()
