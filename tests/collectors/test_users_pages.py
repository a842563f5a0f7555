"""Pages of users: the exporter counts all of them. The current time is always 2026-09-21T14:13:20Z."""

import json
from typing import Any

import pytest

from access_exporter.cloudflare import pagination
from tests.collectors.cloudflare import Cloudflare, answer, honest_pages, pages
from tests.collectors.people import (
    TODAY_SECONDS,
    expected,
    expected_holders,
    health,
    holders,
    polled,
)
from tests.exporter import DATA, Exporter

EXAMPLE: dict[str, Any] = json.loads((DATA / "get-users.json").read_text())


class TestPages:
    def test_three_pages(self, cloudflare: Cloudflare) -> None:
        """The exporter reads three pages of 1,000 users in three requests, and counts all users."""
        never = [
            {"id": f"new {index}", "gateway_seat": True, "active_device_count": 0, "created_at": "2020-01-01T00:00:00Z"}
            for index in range(1000)
        ]
        assert polled(cloudflare, *honest_pages(never + holders(1500))) == expected(
            announced=2500,
            users_access=1500,
            users_gateway=1000,
            seats_access=1500,
            seats_gateway=1000,
            seats_used=2500,
            active_devices=1500,
            devices_0=1000,
            devices_1=1500,
            idle_30=1000,
            idle_60=1000,
            idle_90=1000,
            never_used=1000,
            within_1d=1500,
            within_7d=1500,
            within_30d=1500,
            last_login=TODAY_SECONDS,
        )
        assert sorted(cloudflare.pages_asked()) == [1, 2, 3]
        assert {asked["per_page"] for _, asked in cloudflare.asked} == {"1000"}

    @pytest.mark.parametrize(
        "info",
        [
            {"per_page": 100, "total_count": 250, "total_pages": 3},
            {"per_page": 100, "total_count": 250},
            {"per_page": 100, "total_pages": 3},
            {"per_page": 100},
            {"per_page": 1000, "total_count": 250, "total_pages": 1},
            {"per_page": 1000, "total_count": 250, "total_pages": 3},
            {"per_page": 1000, "total_count": 1, "total_pages": 100},
            {"per_page": 1000, "total_count": 100, "total_pages": 2},
            {"per_page": 1000},
            {"total_count": 250, "total_pages": 3},
            {"total_count": 100, "total_pages": 1},
            {},
            None,
        ],
    )
    def test_clamped_page_size(self, cloudflare: Cloudflare, info: dict[str, int] | None) -> None:
        """If the server sends fewer rows a page than requested, the exporter still reads the whole list."""
        page = expected_holders(250, announced=(info or {}).get("total_count"))
        assert polled(cloudflare, *pages(holders(250), 100, result_info=info)) == page

    @pytest.mark.parametrize("users", [1, 100, 200, 250, 400])
    @pytest.mark.parametrize(
        "totals",
        [
            pytest.param({"total_count": 1, "total_pages": 100}, id="documented example"),
            pytest.param({"total_count": 150, "total_pages": 2}, id="too small"),
            pytest.param({"total_count": 350, "total_pages": 4}, id="close"),
            pytest.param({"total_count": 801, "total_pages": 9}, id="too large"),
            pytest.param({"total_count": 10**18, "total_pages": 10**16}, id="far too large"),
            pytest.param({"total_count": 0, "total_pages": 0}, id="none"),
            pytest.param({"total_count": 250, "total_pages": 1}, id="contradictory"),
        ],
    )
    def test_wrong_totals(self, cloudflare: Cloudflare, users: int, totals: dict[str, int]) -> None:
        """Wrong totals neither end a list early nor make it endless."""
        info = {"count": 100, "page": 1, "per_page": 100, **totals}
        page = expected_holders(users, announced=totals["total_count"])
        assert polled(cloudflare, *pages(holders(users), 100, result_info=info)) == page

    @pytest.mark.parametrize(
        "info",
        [
            '{"per_page": 100.0, "total_count": 150.0, "total_pages": 2.0}',
            '{"per_page": true, "total_count": 150}',
            '{"total_count": 150}',
        ],
    )
    def test_total_alone(self, cloudflare: Cloudflare, info: str) -> None:
        """The exporter shows total_count as the API states it, even if other fields are missing."""
        bodies = [f'{body[:-1]}, "result_info": {info}}}' for body in pages(holders(150), 100)]
        assert polled(cloudflare, *bodies) == expected_holders(150, announced=150)

    @pytest.mark.parametrize(
        "info",
        [
            "null",
            "[]",
            "[[1], {}]",
            "{}",
            "5",
            "true",
            '"per_page"',
            '{"per_page": "100", "total_count": [1], "total_pages": {}}',
            '{"per_page": null, "total_count": null, "total_pages": null}',
            '{"per_page": true, "total_count": true, "total_pages": true}',
            '{"per_page": 99.5, "total_count": 149.5, "total_pages": 1.5}',
            '{"per_page": -100, "total_count": -150, "total_pages": -2}',
            '{"per_page": 1e400, "total_count": 1e400, "total_pages": 1e400}',
            '{"per_page": NaN, "total_count": -Infinity, "total_pages": NaN}',
            '{"per_page": 1' + "0" * 300 + "}",
            '{"\\ud83d": "\\ud83d"}',
        ],
    )
    def test_invalid_result_info(self, cloudflare: Cloudflare, info: str) -> None:
        """An invalid result_info is ignored."""
        bodies = [f'{body[:-1]}, "result_info": {info}}}' for body in pages(holders(150), 100)]
        assert polled(cloudflare, *bodies) == expected_holders(150)

    def test_no_result_info(self, cloudflare: Cloudflare) -> None:
        """Without a result_info, an empty page ends the list."""
        assert polled(cloudflare, *pages(holders(1500))) == expected_holders(1500)
        assert cloudflare.pages_asked() == [1, 2, 3]

    @pytest.mark.parametrize("total", [10, 13, None])
    def test_repeated_rows(self, cloudflare: Cloudflare, total: int | None) -> None:
        """A user who is listed several times is counted once."""
        rows = holders(10)
        info = {"per_page": 4, "total_count": total, "total_pages": total and -(-total // 4)}
        bodies = (
            answer(part, result_info=info)
            for part in (rows[:4], rows[3:7], rows[5:9], [rows[9], rows[0]], [], [rows[1]])
        )
        assert polled(cloudflare, *bodies) == expected_holders(10, announced=total)

    @pytest.mark.parametrize(
        "info",
        [
            {},
            {"result_info": None},
            {"result_info": EXAMPLE["result_info"]},
            {"result_info": {"per_page": 0, "total_count": 0, "total_pages": 0}},
            {"result_info": {"per_page": 20, "total_count": 20, "total_pages": 1}},
            {"result_info": {"per_page": 1000, "total_count": 20, "total_pages": 1}},
        ],
    )
    def test_same_short_page_for_ever(self, cloudflare: Cloudflare, info: dict[str, Any]) -> None:
        """If the server sends the same short page for every number, the list ends and the numbers are right."""
        body = answer(holders(20), **info)
        announced = (info.get("result_info") or {}).get("total_count")
        assert polled(cloudflare, body, beyond=body) == expected_holders(20, announced)
        assert len(cloudflare.asked) <= 11

    def test_same_short_page_without_ids_for_ever(self, cloudflare: Cloudflare) -> None:
        """Rows without an id are not counted again when their page is repeated."""
        body = answer([*holders(18), *({**row, "id": None} for row in holders(2))])
        assert polled(cloudflare, body, beyond=body) == expected_holders(20)

    @pytest.mark.parametrize(
        ("size", "info"),
        [
            (1000, {}),
            (1000, {"result_info": {"per_page": 1000}}),
            (1000, {"result_info": {"per_page": 1000, "total_count": 3000, "total_pages": 3}}),
            (1000, {"result_info": {"per_page": 5000}}),
            (100, {"result_info": {"per_page": 100}}),
            (100, {"result_info": {"per_page": 100, "total_count": 250, "total_pages": 3}}),
            (100, {"result_info": {"per_page": 1000, "total_count": 250, "total_pages": 1}}),
            (100, {"result_info": EXAMPLE["result_info"]}),
        ],
    )
    def test_same_full_page_for_ever(self, cloudflare: Cloudflare, size: int, info: dict[str, object]) -> None:
        """If the server repeats a full page although there are more rows, the poll fails."""
        body = answer(holders(size), **info)
        page = polled(cloudflare, body, beyond=body)
        assert page == health(success=0, last_success=None, errors_invalid_response=1)

    @pytest.mark.parametrize(("limit", "value", "requests"), [("MAX_ROWS", 50, 6), ("MAX_PAGES", 7, 7)])
    def test_endless(
        self, cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, requests: int
    ) -> None:
        """A list that never ends fails the poll after the maximum number of rows or pages."""
        monkeypatch.setattr(pagination, limit, value)
        body = answer([{}] * 10)
        page = polled(cloudflare, body, beyond=body)
        assert page == health(success=0, last_success=None, errors_invalid_response=1)
        assert len(cloudflare.asked) == requests

    def test_failed_poll(self, cloudflare: Cloudflare) -> None:
        """A poll that fails on a later page changes only the health metrics of the target."""
        cloudflare.lists("users", *honest_pages(holders(3)))
        exporter = Exporter()
        before = exporter.polled()
        cloudflare.lists("users", *honest_pages(holders(1500))[:1], beyond="<html>")
        exporter.clock.now += 60
        assert before == expected_holders(3, announced=3)
        assert exporter.polled() == (
            before.replace(
                'poll_success{account_id="023e105f4ecef8ad9ca31a8372d0c353",collector="users",target="users"} 1.0',
                'poll_success{account_id="023e105f4ecef8ad9ca31a8372d0c353",collector="users",target="users"} 0.0',
            ).replace('reason="invalid_response",target="users"} 0.0', 'reason="invalid_response",target="users"} 1.0')
        )


def test_a_total_that_counts_only_its_page(cloudflare: Cloudflare) -> None:
    """A total_count that only counts the rows of its page does not end the list."""
    info = {"per_page": 100, "total_count": 100, "total_pages": 1}
    assert polled(cloudflare, *pages(holders(250), 100, result_info=info)) == expected_holders(250, announced=100)


def test_pages_that_grow(cloudflare: Cloudflare) -> None:
    """If the page size grows during a poll, the poll fails, because users were skipped."""
    rows = holders(3000)
    info = {"total_count": 3000, "per_page": 1000, "total_pages": 3}
    small = answer(rows[:500], result_info=info | {"per_page": 500, "total_pages": 6})
    large = [answer(rows[first : first + 1000], result_info=info) for first in (1000, 2000)]
    page = polled(cloudflare, small, *large)
    assert page == health(success=0, last_success=None, errors_invalid_response=1)
