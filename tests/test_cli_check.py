"""The complete output of `--config.check`."""

from pathlib import Path

from tests.processes import ROOT, Run


def write(content: str) -> None:
    Path("config.yaml").write_text(content, encoding="utf-8")


def test_plan(run: Run) -> None:
    """The plan of a valid file says what is polled, how often, and where secrets come from, without the secrets."""
    assert run("--config.check", f"--config.file={ROOT}/tests/data/good-example.yaml") == (
        0,
        "api: https://api.cloudflare.com/client/v4, 30 s a request, 1000 rows a page\n"
        "pace: 2 requests/s and bursts of 40 per credential, 4 in flight\n"
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
        "credential of account '023e105f4ecef8ad9ca31a8372d0c353': at least 28.125 of 7200 requests/h\n"
        "in all: at least 28.125 requests/h\n",
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
        "api: https://api.cloudflare.com/client/v4, 1.5 s a request, 50 rows a page\n"
        "pace: 0.5 requests/s and bursts of 40 per credential, 4 in flight\n"
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
        "credential of account 'a': at least 0 of 1800 requests/h\n"
        "credential of account 'b': at least 1 of 1800 requests/h\n"
        "in all: at least 1 requests/h\n"
        "warning: account 'a': the id of an account is 32 hexadecimal digits, and this is something else\n"
        "warning: account 'a': nothing of it is polled\n"
        "warning: account 'b': the id of an account is 32 hexadecimal digits, and this is something else\n",
        "",
    )
