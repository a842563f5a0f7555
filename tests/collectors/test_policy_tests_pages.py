"""How the list of rows of a policy test ends."""

import pytest

from tests.collectors.cloudflare import Cloudflare, answer, pages
from tests.collectors.following import TEST, USERS, expected, exporter, progress, results

NULL = answer(None)


@pytest.mark.parametrize("users", [60, 999, 1000, 2345])
def test_null_after_the_last_row(cloudflare: Cloudflare, users: int) -> None:
    """The result null after the last row ends the list."""
    cloudflare.says(TEST, progress(total=users))
    cloudflare.lists(USERS, *pages(results(*["approved"] * users)), beyond=NULL)
    assert exporter().polled() == expected(users_approved=users, population=users)


def test_null_for_no_rows(cloudflare: Cloudflare) -> None:
    """The result null as the first page is the list of a test without users."""
    cloudflare.says(TEST, progress(total=0, users_approved=0, users_blocked=0, users_errored=0))
    cloudflare.lists(USERS, beyond=NULL)
    assert exporter().polled() == expected(population=0)


@pytest.mark.parametrize("status", [400, 403, 404, 416, 422])
@pytest.mark.parametrize("size", [20, 30, 1000])
def test_a_refusal_after_the_last_row(cloudflare: Cloudflare, status: int, size: int) -> None:
    """A refused page ends the list if all users of the test are listed."""
    cloudflare.says(TEST, progress(total=60))
    cloudflare.lists(USERS, *pages(results(*["approved"] * 60), size), beyond="{}", beyond_status=status)
    assert exporter().polled() == expected(users_approved=60, population=60)


@pytest.mark.parametrize(("listed", "status"), [(59, 400), (59, 404), (0, 404), (60, 500), (60, 429)])
def test_another_refusal(cloudflare: Cloudflare, listed: int, status: int) -> None:
    """A refused page before the last row, or a refusal for another reason, fails the poll."""
    cloudflare.says(TEST, progress(total=60))
    cloudflare.lists(USERS, *pages(results(*["approved"] * listed), 20), beyond="{}", beyond_status=status)
    test = exporter()
    test.poll()
    assert f"{status} from /access/policy-tests/ID/users" in test.failure()
