import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.config_files import SECRET, account, api, policy_tests, with_credential
from tests.processes import Run, command


def write(content: str) -> None:
    Path("config.yaml").write_text(content, encoding="utf-8")


def samples(exposition: str) -> dict[str, list[float]]:
    """Return the values of a metrics page by the name of the sample."""
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.value)
    return found


def is_log(text: str) -> bool:
    """Return whether every line of a text is a log line."""
    return all(re.fullmatch(r"ts=\S+ level=(info|warn|error) msg=.+", line) for line in text.splitlines())


class TestConfigCheck:
    def test_shard(self, run: Run) -> None:
        """The plan of a shard has its number and only its accounts; an invalid shard number gives exit code 2."""
        names = [f"account-{number}" for number in range(5)]
        write("accounts:\n" + "".join(f"  - {{id: {name}, api_token_file: token}}\n" for name in names))
        planned = []
        for number in range(2):
            code, out, err = run("--config.check", "--total-shards=2", f"--shard={number}")
            mine = re.findall("(?m)^account '(.*)'$", out)
            assert (code, err) == (0, "")
            assert f"shard: {number} (of 0 to 1), which polls {len(mine)} of the accounts\n" in out
            planned += mine
        assert sorted(planned) == names
        assert run("--config.check", "--total-shards=2", "--shard=2")[::2] == (
            2,
            "cloudflare-access-exporter: --shard: expected a number below --total-shards, which is 2; got 2\n",
        )

    def test_hostile_names(self, run: Run) -> None:
        """A name cannot forge a line of the plan, nor send commands to the terminal."""
        write(account('name: "x\\ntotal: \\e[31m"'))
        code, out, _ = run("--config.check")
        assert code == 0
        assert out.splitlines()[2] == r"account 'example' ('x\ntotal: \x1b[31m')"

    @pytest.mark.parametrize("check", [True, False], ids=["check", "start"])
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("", "expected a mapping with the keys `accounts` and, optionally, `api`"),
            ("accounts: [\n", "line 2: expected valid YAML: expected the node content, but found '<stream end>'"),
            ("accounts: []\0\n", "line 1: expected no control character, got U+0000"),
            (account() + account(), "line 4: duplicate key"),
            (account("name: 5"), "accounts[0].name: expected a string, got a whole number; put the value in quotes"),
            (api("page_size: 0"), "api.page_size: expected a whole number >= 1"),
            (
                api("bust: 5"),
                "api: unknown key `bust`; "
                "expected one of url, timeout, page_size, requests_per_second, burst, concurrency",
            ),
            (
                with_credential("api_token: ${UNSET_VARIABLE}"),
                "accounts[0].api_token: the environment variable `UNSET_VARIABLE` is not set or is empty",
            ),
            (
                with_credential("api_token: ${SPACES}"),
                "accounts[0].api_token: "
                "expected a secret of printable ASCII characters without spaces (environment variable SPACES)",
            ),
            (
                with_credential("api_token_file: missing"),
                "accounts[0].api_token_file: the secret file `missing` cannot be read: No such file or directory",
            ),
            (
                with_credential("api_token_file: empty"),
                "accounts[0].api_token_file: the secret is empty (file 'empty')",
            ),
            (
                policy_tests("id: a", "{id: b, name: a}"),
                "accounts[0].policy_tests[1]: "
                "another policy test of this account has the label 'a'; give each its own name",
            ),
            (
                policy_tests("{id: a, interval: 9s}"),
                "accounts[0].policy_tests[0].interval: "
                "expected a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds",
            ),
        ],
    )
    def test_errors(self, run: Run, content: str, expected: str, check: bool) -> None:
        """A configuration error gives one line on standard error and exit code 1, at the check and at the start."""
        write(content)
        flags = ["--config.check"] if check else []
        assert run(*flags) == (1, "", f"cloudflare-access-exporter: config.yaml: {expected}\n")

    def test_missing_file(self, run: Run) -> None:
        """A missing configuration file gives one line of error and exit code 1."""
        assert run("--config.file", "/nowhere/config.yaml") == (
            1,
            "",
            "cloudflare-access-exporter: /nowhere/config.yaml: cannot be read: No such file or directory\n",
        )

    def test_from_another_command(self, tmp_path: Path) -> None:
        """The exporter reads a configuration completely from a pipe, even if another command writes it in pieces."""
        good = tmp_path / "good.yaml"
        good.write_text(account(), encoding="utf-8")
        pieces = f"--config.file=<(head -c 9 '{good}'; sleep 0.5; tail -c +10 '{good}')"
        assert command("--config.check", output=pieces)[:2] == command("--config.check", f"--config.file={good}")[:2]

    def test_as_a_process(self, tmp_path: Path) -> None:
        """The real command reports the check by its exit code, standard output and standard error."""
        good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
        good.write_text(account(), encoding="utf-8")
        bad.write_text(with_credential(f"api_token: {SECRET} {SECRET}"), encoding="utf-8")
        code, out, err = command("--config.check", "--config.file", str(good))
        assert (code, out.splitlines()[-2], err) == (0, "total: at least 16 requests/h", "")
        assert SECRET not in out
        assert command("--config.check", f"--config.file={bad}") == (
            1,
            "",
            f"cloudflare-access-exporter: {bad}: accounts[0].api_token: "
            "expected a secret of printable ASCII characters without spaces (configuration file)\n",
        )

    def test_demo(self, run: Run) -> None:
        """--config.check also works with --demo, and says that the token comes from the simulator."""
        code, out, err = run("--demo", "--config.check")
        assert (code, err) == (0, "")
        assert "  API token: from the simulator\n" in out


@pytest.fixture
def refused_url() -> Iterator[str]:
    """The address of a port that refuses connections and that no other program can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/client/v4"


@pytest.mark.parametrize("what", ["--config.check", "--once", "--idle-seats=1d"])
class TestOutputThatCannotBeWritten:
    """If standard output cannot be written, the command says so in one line and by its exit code."""

    def test_full(self, what: str) -> None:
        """A full disk gives exit code 1 and an error message."""
        code, _, err = command("--demo", "--log.level=error", what, output=">/dev/full")
        assert (code, err) == (1, "cloudflare-access-exporter: cannot write: No space left on device\n")

    def test_closed(self, what: str) -> None:
        """If standard output is closed, the command sends no request and exits with an error."""
        code, _, err = command("--demo", what, output=">&-")
        assert (code, err) == (1, "cloudflare-access-exporter: standard output is closed\n")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(("flag", "code"), [("--nonsense", 2), ("--config.file=missing.yaml", 1)])
def test_an_error_that_cannot_be_written(flag: str, code: int, where: str) -> None:
    """If standard error cannot be written either, the exit code still shows the error."""
    assert command(flag, output=where).code == code


class TestOnce:
    def test_demo(self, run: Run) -> None:
        """--once polls every target of the demo, writes numbers to stdout and the log to stderr, and exits with 0."""
        code, out, err = run("--demo", "--once")
        assert code == 0
        (targets,) = samples(out)["cloudflare_access_exporter_targets"]
        assert targets >= 5
        assert samples(out)["cloudflare_access_poll_success"] == [1] * int(targets)
        assert samples(out)["cloudflare_access_seats_limit"] == [50]
        assert err.count('level=info msg="poll succeeded"') == targets
        assert is_log(err)

    def test_demo_as_a_process(self) -> None:
        """The real command polls the demo with --once and then ends."""
        code, out, err = command("--once", "--demo", "--log.level", "warn")
        assert code == 0
        (targets,) = samples(out)["cloudflare_access_exporter_targets"]
        assert targets >= 5
        assert samples(out)["cloudflare_access_poll_success"] == [1] * int(targets)
        assert out.startswith("# HELP cloudflare_access_")
        (line,) = err.splitlines()
        assert line.endswith(' level=warn msg="demo: the numbers come from a simulated account, not from Cloudflare"')

    def test_refused_connection(self, run: Run, refused_url: str) -> None:
        """A failed poll gives exit code 1; the metrics show what failed and why, without invented numbers."""
        write(api(f"url: {refused_url}") + "    policy_tests: [{id: a}]\n")
        code, out, err = run("--once")
        assert code == 1
        found = samples(out)
        assert found["cloudflare_access_poll_success"] == [0, 0, 0]
        assert sum(found["cloudflare_access_poll_errors_total"]) == 3
        for target, collector in (("a", "policy_tests"), ("users", "users"), ("devices", "devices")):
            labels = f'account_id="example",collector="{collector}",reason="network",target="{target}"'
            assert f"cloudflare_access_poll_errors_total{{{labels}}} 1.0\n" in out
        assert "cloudflare_access_users" not in found
        assert "cloudflare_access_poll_last_success_timestamp_seconds" not in found
        assert err.count('msg="poll failed"') == 3
        assert err.count("connection refused") == 3
        assert is_log(err)
        assert SECRET not in out + err

    def test_nothing_to_poll(self, run: Run) -> None:
        """An account without anything to poll is no failure, but causes a configuration warning."""
        write(account("users: false"))
        code, out, err = run("--once")
        assert code == 0
        assert "cloudflare_access_exporter_build_info" in samples(out)
        assert 'level=warn msg="configuration warning" warning="account \'example\': nothing is polled; ' in err


class TestListening:
    def test_port_in_use(self, run: Run) -> None:
        """If the port is in use, the command gives one clear line and exit code 1."""
        write(account("users: false"))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, out, err = run(f"--web.listen-address=127.0.0.1:{port}")
        *log, last = err.splitlines()
        assert (code, out) == (1, "")
        assert is_log("\n".join(log))
        assert last == (
            f"cloudflare-access-exporter: cannot listen on 127.0.0.1:{port}: the port is in use; "
            f"choose another one, such as --web.listen-address=127.0.0.1:{port + 1}"
        )

    def test_port_in_use_as_a_process(self) -> None:
        """The real command ends at once if its port is in use."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, out, err = command("--demo", "--web.listen-address", f"127.0.0.1:{port}", "--log.level=error")
        assert (code, out) == (1, "")
        assert err == (
            f"cloudflare-access-exporter: cannot listen on 127.0.0.1:{port}: the port is in use; "
            f"choose another one, such as --web.listen-address=127.0.0.1:{port + 1}\n"
        )
