"""Responses about a policy test that the exporter follows, and the whole exposition of that test."""

from access_exporter.config.model import PolicyTest
from tests.collectors.cloudflare import Row, answer
from tests.exporter import DATA, Exporter, page_of

ID = "f1a8b3c9d4e5f6789a0b1c2d3e4f5678a9b0c1d2e3f4a5b67890c1d2e3f4b5a6"
TEST = f"policy-tests/{ID}"
USERS = f"policy-tests/{ID}/users"
NOW = "1.79e+09"
EXAMPLE = (DATA / "get-policy-test-users.json").read_text()

ABSENT = dict.fromkeys(
    (
        "users_approved",
        "users_blocked",
        "users_error",
        "users_unknown",
        "population",
        "is_blocked",
        "is_processing",
        "is_exceeded_time",
        "is_complete",
        "ratio",
        "finished",
    )
)
COUNTS = ("users_approved", "users_blocked", "users_error", "users_unknown")


def exporter(name: str | None = "wiki") -> Exporter:
    """Return an exporter that follows one policy test and nothing else."""
    return Exporter(users=False, policy_tests=[PolicyTest(id=ID, name=name)])


def progress(status: str = "complete", total: float = 4, percent: float = 100, **more: object) -> str:
    """Return the response about a test; its own counts are wrong, because only the rows count."""
    return answer(
        {
            "id": ID,
            "status": status,
            "total_users": total,
            "percent_users_processed": percent,
            "users_approved": 77,
            "users_blocked": 88,
            "users_errored": 99,
            "percent_approved": 7,
            "percent_blocked": 8,
            "percent_errored": 9,
            **more,
        }
    )


def results(*statuses: str | None) -> list[Row]:
    """Return rows with these results, each for another user; None stands for a row without a result."""
    return [
        {"id": str(number), "email": "jdoe@example.com", "name": "Jane Doe"}
        | ({} if status is None else {"status": status})
        for number, status in enumerate(statuses)
    ]


def expected(**values: float | str | None) -> str:
    """Return the exposition with these values; by default the test is complete."""
    complete: dict[str, float | str | None] = {"population": 4, "is_complete": 1, "ratio": 1, "finished": NOW}
    return page_of("policy_test", **(complete | values))


def running(**values: float | str | None) -> str:
    """Return the exposition of a test that has never finished."""
    return expected(**({"is_complete": 0, "finished": None} | dict.fromkeys(COUNTS) | values))


def health(**values: float | str | None) -> str:
    """Return the exposition of a target without numbers."""
    page = expected(**values)
    return page[page.index("# HELP cloudflare_access_poll_success") :]
