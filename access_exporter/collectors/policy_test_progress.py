"""The progress of a policy test: GET …/access/policy-tests/{id} ("Get an Access policy test")."""

import msgspec

from access_exporter.cloudflare import Endpoint
from access_exporter.errors import InvalidResponseError

PATH = "/accounts/{account_id}/access/policy-tests/{policy_test_id}"
PERMISSION = "Access: Policy Test Read"
ENDPOINT = Endpoint("policy_test", PATH, PERMISSION)

STATUSES = ("blocked", "processing", "exceeded time", "complete")
UNDOCUMENTED = "undocumented"
MOST_USERS = 1_000_000_000


class Progress(msgspec.Struct):
    """The state of a test as the API reports it. A missing or invalid field is unknown; the other fields count."""

    id: object = None
    status: object = None
    total_users: object = None
    percent_users_processed: object = None
    users_approved: object = None
    users_blocked: object = None
    users_errored: object = None

    @property
    def state(self) -> str | None:
        """The status; UNDOCUMENTED in place of an undocumented status, which could be any text."""
        if not isinstance(self.status, str) or not self.status:
            return None
        return self.status if self.status in STATUSES else UNDOCUMENTED

    @property
    def population(self) -> int | None:
        """The number of users that the test covers."""
        return _whole(self.total_users)

    @property
    def processed_ratio(self) -> float | None:
        """The share of the users that the test has processed, from 0 to 1."""
        percent = _number(self.percent_users_processed, 100)
        return None if percent is None else percent / 100

    @property
    def processed(self) -> int | None:
        """The number of users with a result: the sum of the three counts that are valid; None if none is valid."""
        numbers = [_whole(each) for each in (self.users_approved, self.users_blocked, self.users_errored)]
        given = [number for number in numbers if number is not None]
        return sum(given) if given else None

    def check(self, test_id: str) -> None:
        """Raise InvalidResponseError if the response is about another test, or about no test."""
        if isinstance(self.id, str) and self.id and _plain(self.id) != _plain(test_id):
            raise InvalidResponseError(f"the response from {ENDPOINT.place} is about another policy test")
        if self.state is None and self.population is None and self.processed_ratio is None:
            raise InvalidResponseError(
                f"the response from {ENDPOINT.place} is not as documented: it has no policy test"
            )


def _plain(test_id: str) -> str:
    """Return an id for comparison: a UUID with dashes equals one without, and capitals equal small letters."""
    return test_id.replace("-", "").lower()


def _whole(value: object) -> int | None:
    number = _number(value, MOST_USERS)
    return int(number) if number is not None and number == number // 1 else None


def _number(value: object, most: int) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= most else None  # type: ignore[operator,return-value]  # it is a number
