"""Users by e-mail domain: `users.domains` adds one metric family and changes no other."""

import json
from collections import Counter
from typing import Any

import idna
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access_exporter.collectors import email_domains
from access_exporter.collectors.seats import SEATS
from access_exporter.collectors.users_summary import UserWithEmail
from access_exporter.config.model import Users
from tests.collectors.cloudflare import Cloudflare, Row, answer, honest_pages
from tests.exporter import ACCOUNT_ID, Exporter

FAMILY = "cloudflare_access_domain_users"
HEADER = (
    "Users by the domain of their e-mail address and the seat they hold; only with users.domains. other: all smaller "
    "domains; unknown: no address, or an address without a domain."
)


def people(*emails: object, **seats: bool) -> list[Row]:
    """Return users with these addresses; by default they hold an Access seat."""
    return [
        {"id": str(number), "email": email, **(seats or {"access_seat": True})} for number, email in enumerate(emails)
    ]


def polled(cloudflare: Cloudflare, rows: list[Row], number: int = 10, size: int = 1000) -> str:
    """Return the exposition of these users, with at most this number of domains."""
    cloudflare.lists("users", *honest_pages(rows, size))
    return Exporter(users=Users(domains=number)).polled()


def counts(page: str) -> dict[str, int]:
    """Return the number of users by domain over all seats, without `other` and `unknown` if no user is in them."""
    found: Counter[str] = Counter()
    for line in page.splitlines():
        if line.startswith(f"{FAMILY}{{"):
            found[line.partition('domain="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
    return {name: number for name, number in found.items() if number or name not in ("other", "unknown")}


def family(*rows: tuple[str, str]) -> str:
    """Return the exposition of the metric family with these domains and their numbers of users by seat."""
    samples = [
        f'{FAMILY}{{account_id="{ACCOUNT_ID}",domain="{name}",seat="{seat}"}} {number}.0\n'
        for name, numbers in rows
        for seat, number in zip(SEATS, numbers.split(), strict=True)
    ]
    return "".join((f"# HELP {FAMILY} {HEADER}\n", f"# TYPE {FAMILY} gauge\n", *samples))


def test_by_seat(cloudflare: Cloudflare) -> None:
    """The largest domains have a time series for each seat, followed by `other` and `unknown`."""
    rows = [
        *people("a@example.com", "b@example.com", access_seat=True, gateway_seat=True),
        *people("c@example.com", access_seat=True),
        *people("d@example.org", "e@example.org", gateway_seat=True),
        *people("f@example.net", access_seat=False),
        *({"email": "g@example.net"}, {"email": None, "access_seat": True}, {}),
    ]
    for number, row in enumerate(rows):
        row["id"] = str(number)
    page = polled(cloudflare, rows, number=2)
    expected = family(
        ("example.com", "0 1 0 2 0"), ("example.net", "1 0 0 0 1"), ("other", "0 0 2 0 0"), ("unknown", "0 1 0 0 1")
    )
    assert expected in page
    cloudflare.lists("users", *honest_pages(rows))
    assert page.replace(expected, "") == Exporter().polled()


def test_off_by_default(cloudflare: Cloudflare) -> None:
    """By default, users are not counted by domain, and an invalid address does not fail the poll."""
    cloudflare.lists("users", answer([{"id": "1", "email": 5}]))
    page = Exporter().polled()
    assert FAMILY not in page
    assert "example" not in page.lower().replace('account_name="example"', "")
    assert f'cloudflare_access_users{{account_id="{ACCOUNT_ID}",seat="unknown"}} 1.0' in page


def test_no_users(cloudflare: Cloudflare) -> None:
    """An account without users has zeros."""
    assert family(("other", "0 0 0 0 0"), ("unknown", "0 0 0 0 0")) in polled(cloudflare, [])


def test_ties(cloudflare: Cloudflare) -> None:
    """Domains with the same number of users are sorted by name, for any order of the users."""
    names = ["b.example", "a.example", "d.example", "c.example"]
    for order in (names, names[::-1]):
        page = polled(cloudflare, people(*(f"x@{name}" for name in order)), number=2)
        assert counts(page) == {"a.example": 1, "b.example": 1, "other": 2}


def test_pages(cloudflare: Cloudflare) -> None:
    """Users are counted over all pages, each user once."""
    rows = people(*["a@example.com", "b@example.org"] * 25)
    assert counts(polled(cloudflare, [*rows, rows[0]], size=7)) == {"example.com": 25, "example.org": 25}


@pytest.mark.parametrize(
    ("email", "shown"),
    [
        ("jdoe@example.com", "example.com"),
        ("JDoe@Example.COM", "example.com"),
        ("jdoe@example.com.", "example.com"),
        (" jdoe@example.com\n", "example.com"),
        ("jdoe@mail.example.co.uk", "mail.example.co.uk"),
        ('"jdoe@example.org"@example.com', "example.com"),
        ("jdoe#EXT#@example.onmicrosoft.com", "example.onmicrosoft.com"),
        ("jdoe@localhost", "localhost"),
        ("jdoe@1and1.example", "1and1.example"),
        ("jdoe@192.example", "192.example"),
        ("jdoe@m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        ("jdoe@M\u00dcNCHEN.example", "xn--mnchen-3ya.example"),
        ("jdoe@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("jdoe@stra\u00dfe.example", "xn--strae-oqa.example"),  # not strasse.example, which is another domain
        ("jdoe@example\u3002com", "example.com"),
        ("jdoe@" + "a" * 63 + ".example", "a" * 63 + ".example"),
        ("jdoe@" + "a." * 126 + "a", "a." * 126 + "a"),
    ],
)
def test_domains(cloudflare: Cloudflare, email: str, shown: str) -> None:
    """A domain is the text after the last @, in the ASCII form of the DNS."""
    assert counts(polled(cloudflare, people(email))) == {shown: 1}


@pytest.mark.parametrize(
    "email",
    [
        *(None, "", "@", "jdoe", "example.com", "@example.com", "jdoe@", "jdoe@.", "jdoe@..", "jdoe@example.com.."),
        *("jdoe@other", "jdoe@Unknown", "jdoe@OTHER.", "jdoe@192.0.2.1", "jdoe@[192.0.2.1]", "jdoe@15551234"),
        *("jdoe@+15551234", "jdoe@exa mple.com", "jdoe@-example.com", "jdoe@example-.com", "jdoe@exa_mple.com"),
        *("jdoe@.example.com", "jdoe@example..com", "Jane Doe <jdoe@example.com>", "jdoe@example.com,", "jdoe@a\nb"),
        *(
            'jdoe@a"} 1',
            "jdoe@\u202eexample.com",
            "jdoe@\x1b[31m",
            "jdoe@\0",
            "jdoe@" + "\U0001f680" * 99,
            "a@\u2100",
        ),
        *(
            "jdoe@" + "a" * 64 + ".example",
            "jdoe@" + "a." * 126 + "aa",
            "a@" * 100_000,
            "a" * 1_000_000,
            "\ud83d@\ud83d",
        ),
    ],
    ids=lambda email: ascii(email)[:30],
)
def test_no_domain(cloudflare: Cloudflare, email: str | None) -> None:
    """A user with no address or no valid domain counts as unknown, and the address is not shown."""
    page = polled(cloudflare, people(email, "jdoe@example.com"))
    assert counts(page) == {"example.com": 1, "unknown": 1}
    assert "jdoe" not in page
    assert page.isascii()


def test_an_address_of_a_wrong_type(cloudflare: Cloudflare) -> None:
    """An address of a wrong type counts as unknown, and the other users are counted."""
    assert counts(polled(cloudflare, people(5, "jdoe@example.com"))) == {"unknown": 1, "example.com": 1}


def test_a_name_is_converted_once(cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter converts an internationalized domain name to ASCII only once, even over several polls."""
    converted: list[str] = []
    encode = idna.encode

    def counting(text: str, **options: bool) -> bytes:
        converted.append(text)
        return encode(text, **options)

    monkeypatch.setattr(idna, "encode", counting)
    rows = people(*["x@b\u00fccher-once.example", "y@exa mpl\u00e9-once.example"] * 500)
    for _ in range(2):
        assert counts(polled(cloudflare, rows)) == {"xn--bcher-once-9db.example": 500, "unknown": 500}
    assert len(converted) == 2


def test_many_domains(cloudflare: Cloudflare) -> None:
    """The exporter keeps only the configured number of domains, and counts all others as `other`."""
    rows = people(*(f"x@{number % 2500}.example" for number in range(3000)))
    page = polled(cloudflare, rows, number=100)
    found = counts(page)
    assert len(found) == 101
    assert found["other"] == 3000 - 200
    assert page.count(f"{FAMILY}{{") == 102 * 5


LABELS = st.text('ab1-.@ \u00fc\u0130\u200d\n"\\', max_size=8)
EMAILS = st.none() | st.text(max_size=20) | st.builds("{}@{}".format, st.text(max_size=5), LABELS)
FLAGS = st.sampled_from([None, False, True])
USERS = st.builds(UserWithEmail, email=EMAILS, access_seat=FLAGS, gateway_seat=FLAGS)


@pytest.mark.fuzz
@given(st.lists(st.lists(USERS, max_size=20), max_size=3), st.integers(1, 5))
def test_sums(pages: list[list[UserWithEmail]], number: int) -> None:
    """For any addresses, the domains add up to the users of each seat, and their names are valid and sorted."""
    domains = email_domains.DomainCounts()
    assert list(domains.counting(pages)) == pages
    kept = domains.largest(number)
    seats = Counter(seat_of(user) for page in pages for user in page)
    assert {seat: sum(counts[seat] for counts in kept.values()) for seat in SEATS} == {s: seats[s] for s in SEATS}
    *ranked, other, unknown = kept
    assert (other, unknown) == ("other", "unknown")
    assert len(ranked) <= number
    assert ranked == sorted(ranked, key=lambda name: (-sum(kept[name].values()), name))
    assert all(json.dumps(name) == f'"{name}"' and "@" not in name for name in ranked)
    assert max((sum(kept[name].values()) for name in ranked), default=0) <= sum(seats.values())
    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept


def seat_of(user: UserWithEmail) -> Any:
    """Return the seat of a user, computed independently of the exporter."""
    flags = {name for name in ("access", "gateway") if getattr(user, f"{name}_seat")}
    if user.access_seat is user.gateway_seat is None:
        return "unknown"
    return "both" if len(flags) == 2 else next(iter(flags), "none")


@given(st.text(max_size=30), st.sampled_from(["example.com", "EXAMPLE.com.", "example.com "]))
def test_text_before_the_last_at(local: str, text: str) -> None:
    """The text before the last @ does not change the domain."""
    assert email_domains.domain(f"x{local}@{text}") == "example.com"
