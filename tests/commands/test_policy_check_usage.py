"""Flags of `--test-policy`, and combinations that are errors."""

import pytest

from tests.commands.checking import COM, Check, allow

EXPECTED = "expected a whole number, or a share from 0% to 100%"
NO_LIMITS = (
    *("", "-1", "1.5", "101%", "100.1%", "5 %", " 5", "5%%", "%", "1e1"),
    *("\u0663", "five", "1,000", "+1", "5.%", ".5%", "nan", "1_0", "5\n"),
)


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        *(
            (
                [f"--max-blocked={limit}"],
                f"--max-blocked: {EXPECTED}, got {limit!r}",
            )
            for limit in (
                "",
                "-1",
                "1.5",
                "101%",
                "100.1%",
                "5 %",
                " 5",
                "5%%",
                "%",
                "1e1",
                "٣",
                "five",
                "1,000",
                "+1",
                "5.%",
            )
        ),
        (["--max-newly-blocked=x", "--compare-with=Wiki"], "--max-newly-blocked: expected a whole number"),
        (["--max-newly-blocked=5"], "--max-newly-blocked needs --compare-with"),
        (["--show=some"], "--show: expected affected or all, got 'some'"),
        (["--timeout=soon"], "--timeout: expected a duration"),
        (["--timeout=0"], "--timeout: expected a duration"),
        (["--format=xml"], "--format: expected table, csv, json or markdown, got 'xml'"),
        (["--idle-seats=90d"], "--test-policy and --idle-seats cannot be used together"),
    ],
)
def test_usage(check: Check, flags: list[str], complaint: str) -> None:
    """An invalid limit and flags that conflict are usage errors."""
    code, out, err = check(allow(COM), *flags)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"cloudflare-access-exporter: {complaint}")
    assert not check.server.arrivals


@pytest.mark.parametrize(
    "flag",
    [
        "--compare-with=Wiki",
        "--max-blocked=5",
        "--show=all",
        "--timeout=5m",
        "--format=markdown",
    ],
)
@pytest.mark.parametrize("other", [[], ["--idle-seats=90d"]])
def test_flags_that_need_another(check: Check, flag: str, other: list[str]) -> None:
    """A flag that needs `--test-policy` is a usage error without it."""
    code, out, err = check.run(flag, *other)
    assert (code, out) == (2, "")
    assert "--test-policy" in err.splitlines()[-1]
    assert not check.server.arrivals
