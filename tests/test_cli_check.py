"""The complete output of `--config.check`."""

from pathlib import Path

import pytest

from tests.processes import ROOT, Run


def write(content: str) -> None:
    Path("config.yaml").write_text(content, encoding="utf-8")


def test_plan(run: Run) -> None:
    """The plan of a valid file says what is polled, how often, and where secrets come from, without the secrets."""
    assert run("--config.check", f"--config.file={ROOT}/tests/data/good-example.yaml") == (
        0,
        "api: https://api.cloudflare.com/client/v4, timeout of 30 s per request, 1000 rows per page\n"
        "pace: 2 requests/s, bursts of 40 and 4 requests at a time per credential\n"
        "account '023e105f4ecef8ad9ca31a8372d0c353' ('Example')\n"
        "  API token: from environment variable CLOUDFLARE_API_TOKEN\n"
        "  seat limit: 50\n"
        "  users                  12 requests/h for each 1000 users\n"
        "                         polled every 300 s, stale after 1800 s, idle days 30, 60, 90\n"
        "                         needs Access: Audit Logs Read\n"
        "  devices                4 requests/h for each 1000 registrations\n"
        "                         polled every 900 s if permitted, stale after 5400 s\n"
        "                         needs Zero Trust: Read\n"
        "  policy test 'wiki'     12 requests/h\n"
        "                         follows 'f1a8b3…', polled every 300 s, stale after 1800 s\n"
        "                         needs Access: Policy Test Read\n"
        "  policy test 'payroll'  0.125 requests/h or more\n"
        "                         starts a test of 2 policies every 86400 s, stale after 172800 s\n"
        "                         needs Access: Policy Test Write\n"
        "credential of account '023e105f4ecef8ad9ca31a8372d0c353': needs at least 28.125 of 7200 requests/h\n"
        "total: at least 28.125 requests/h\n",
        "",
    )


def test_plan_with_warnings(run: Run) -> None:
    """The plan covers disabled targets, secrets in files and long intervals, and ends with configuration warnings."""
    write(
        "api: {requests_per_second: 0.5, timeout: 1500ms, page_size: 50}\n"
        "accounts:\n"
        "  - {id: a, api_key_file: token, api_email: me@example.com, users: false}\n"
        "  - {id: b, api_token_file: token, users: {interval: 2h, stale_after: 30d, idle_days: []},\n"
        "     devices: {interval: 2h, stale_after: 1d}}\n"
    )
    assert run("--config.check") == (
        0,
        "api: https://api.cloudflare.com/client/v4, timeout of 1.5 s per request, 50 rows per page\n"
        "pace: 0.5 requests/s, bursts of 40 and 4 requests at a time per credential\n"
        "account 'a'\n"
        "  API key: from file 'token'\n"
        "  e-mail: from configuration file\n"
        "account 'b'\n"
        "  API token: from file 'token'\n"
        "  users    0.5 requests/h for each 50 users\n"
        "           polled every 7200 s, stale after 2592000 s, idle days none\n"
        "           needs Access: Audit Logs Read\n"
        "  devices  0.5 requests/h for each 50 registrations\n"
        "           polled every 7200 s, stale after 86400 s\n"
        "           needs Zero Trust: Read\n"
        "credential of account 'a': needs at least 0 of 1800 requests/h\n"
        "credential of account 'b': needs at least 1 of 1800 requests/h\n"
        "total: at least 1 requests/h\n"
        "warning: account 'a': the id is not 32 hexadecimal digits; copy it from Cloudflare's dashboard\n"
        "warning: account 'a': nothing is polled; add users, devices, service_tokens or policy_tests\n"
        "warning: account 'b': the id is not 32 hexadecimal digits; copy it from Cloudflare's dashboard\n",
        "",
    )


def test_a_long_policy_test_id(run: Run) -> None:
    """A policy test with a long id has its name on a line of its own, so that the lines below stay short."""
    write(
        "accounts:\n"
        "  - id: a\n"
        "    api_token_file: token\n"
        "    users: false\n"
        "    policy_tests:\n"
        f"      - {{id: {'f' * 64}}}\n"
    )
    assert "\n".join(run("--config.check").out.splitlines()[4:9]) == (
        f"  policy test '{'f' * 64}'\n"
        "    12 requests/h\n"
        f"    follows '{'f' * 64}', polled every 300 s,\n"
        "      stale after 1800 s\n"
        "    needs Access: Policy Test Read"
    )


@pytest.mark.parametrize("online", [(), ("--online",)], ids=["offline", "online"])
def test_no_long_line(run: Run, online: tuple[str, ...]) -> None:
    """No line of the check is longer than 100 columns, even if the names, the lists and the warnings are long."""
    name = "department of long names " * 10
    write(
        "api: {url: 'http://127.0.0.1:9', timeout: 1}\n"
        "accounts:\n"
        f"  - id: {'x' * 32}\n"
        f"    name: {name}\n"
        "    api_token_file: token\n"
        "    users: {stale_after: 1m, idle_days: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 200, 300], domains: 20}\n"
        "    policy_tests:\n"
        f"      - {{id: {'f' * 64}}}\n"
        f"      - {{id: {'e' * 64}, name: {name}, stale_after: 1m}}\n"
        f"      - {{name: short, policies: [{'d' * 64}]}}\n"
        "      - {discover: applications, stale_after: 1m}\n"
    )
    out = run("--config.check", *online).out
    assert [line for line in out.splitlines() if len(line) > 100] == []
    assert name.strip() in " ".join(out.split())
