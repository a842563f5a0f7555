import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from access_exporter import config
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account, Api, Config, PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from tests.config_files import ENVIRON, SECRET, account, api, load, only_account, policy_tests, users

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.usefixtures("secret_files")


DEFAULT_API = Api(
    url="https://api.cloudflare.com/client/v4",
    timeout=Duration(30),
    page_size=1000,
    requests_per_second=2,
    burst=40,
    concurrency=4,
)
DEFAULT_USERS = Users(interval=Interval(300), stale_after=Duration(1800), idle_days=(30, 60, 90))
IN_FILE = Secret("configuration file", SECRET)


class TestGoodFiles:
    def test_the_example(self) -> None:
        """The example with every key gives the configuration that it describes."""
        loaded = load((ROOT / "tests/data/good-example.yaml").read_text(encoding="utf-8"))
        assert loaded == Config(
            api=DEFAULT_API,
            accounts=(
                Account(
                    id="023e105f4ecef8ad9ca31a8372d0c353",
                    name="Example",
                    api_token=Secret("environment variable CLOUDFLARE_API_TOKEN", SECRET),
                    seat_limit=50,
                    users=DEFAULT_USERS,
                    policy_tests=(
                        PolicyTest(id="f1a8b3…", name="wiki", interval=Interval(300), stale_after=Duration(1800)),
                        PolicyTest(
                            name="payroll",
                            interval=Interval(300),
                            stale_after=Duration(172800),
                            policies=("<reusable policy id>", "…"),
                            refresh=Interval(86400),
                        ),
                    ),
                ),
            ),
        )

    def test_the_shipped_file(self) -> None:
        """The shipped config.yaml needs two environment variables and nothing else."""
        environ = {name: ENVIRON[name] for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")}
        assert config.load(str(ROOT / "config.yaml"), environ) == Config(
            api=DEFAULT_API,
            accounts=(
                Account(
                    id="023e105f4ecef8ad9ca31a8372d0c353",
                    api_token=Secret("environment variable CLOUDFLARE_API_TOKEN", SECRET),
                    users=DEFAULT_USERS,
                ),
            ),
        )

    def test_the_defaults_in_the_shipped_file(self) -> None:
        """The keys that config.yaml shows in comments are valid, and the values in them are the defaults."""
        text = (ROOT / "config.yaml").read_text(encoding="utf-8")
        uncommented = re.sub(r"(?m)^( *)# (?=\w+:|  )", r"\1", text)
        Path("config.yaml").write_text(uncommented, encoding="utf-8")
        loaded = config.load("config.yaml", ENVIRON | {"CLOUDFLARE_ACCESS_DISCOVER": "applications"})
        assert loaded.api == DEFAULT_API
        assert loaded.accounts[0].users == DEFAULT_USERS
        discovery, followed, fresh = loaded.accounts[0].policy_tests
        assert (followed.interval, followed.stale_after, followed.refresh) == (Interval(300), Duration(1800), None)
        assert (fresh.interval, fresh.stale_after, fresh.refresh) == (Interval(300), Duration(172800), Interval(86400))
        assert (discovery.interval, discovery.refresh, discovery.match) == (Interval(900), Interval(86400), ("*",))
        assert (discovery.stale_after, discovery.limit) == (Duration(172800), 50)
        assert uncommented.count("interval: 5m") == uncommented.count("idle_days: [30, 60, 90]") == 1

    @pytest.mark.parametrize(
        "content",
        [
            account(),
            account(
                "name:", "api_token_file:", "api_email:", "api_key: ~", "seat_limit: null", "users:", "policy_tests:"
            ),
            account("users: {}", "policy_tests: []"),
            account("users: true"),
            users("interval:", "stale_after: null", "idle_days: ~"),
            f"api:\n{account()}",
            api("url:", "timeout: null", "page_size: ~", "requests_per_second:", "burst:", "concurrency:"),
        ],
    )
    def test_defaults(self, content: str) -> None:
        """A missing key and a key without a value have the default value."""
        loaded = load(content)
        (found,) = loaded.accounts
        assert loaded.api == DEFAULT_API
        assert found.users_config == DEFAULT_USERS
        assert (found.id, found.name, found.seat_limit, found.policy_tests) == ("example", None, None, ())
        assert (found.secret, found.api_email) == (IN_FILE, None)

    def test_defaults_of_a_policy_test(self) -> None:
        """A policy test with only an id has that id as its label, and the default intervals of users."""
        expected = PolicyTest(id="a", name=None, interval=Interval(300), stale_after=Duration(1800))
        assert only_account(policy_tests("id: a", "{id: b, name:, interval:, policies:, refresh:}")).policy_tests == (
            expected,
            PolicyTest(id="b", name=None, interval=Interval(300), stale_after=Duration(1800)),
        )
        assert expected.label == "a"
        assert PolicyTest(id="a", name="wiki").label == "wiki"

    def test_users_switched_off(self) -> None:
        """`users: false` means that the exporter does not poll the users."""
        assert only_account(account("users: false")).users_config is None

    def test_several_accounts(self) -> None:
        """Two accounts may have the same secret and the same labels of policy tests."""
        tests = "policy_tests: [{id: a, name: wiki}]"
        loaded = load(f"accounts:\n  - {{id: a, api_token: x, {tests}}}\n  - {{id: b, api_token: x, {tests}}}\n")
        assert [found.id for found in loaded.accounts] == ["a", "b"]

    def test_limits(self) -> None:
        """The longest ids and the largest numbers are valid."""
        loaded = load(
            f"api: {{page_size: 1000, burst: 1000000, concurrency: 64, requests_per_second: 10000}}\n"
            f"accounts: [{{id: {'a' * 32}, api_token: x, policy_tests: [{{id: {'b' * 64}}}]}}]\n"
        )
        assert loaded.api == Api(page_size=1000, burst=1_000_000, concurrency=64, requests_per_second=10_000)
        assert loaded.accounts[0].id == "a" * 32
        assert loaded.accounts[0].policy_tests[0].label == "b" * 64

    @pytest.mark.parametrize(
        "url",
        ["http://localhost:8080", "http://[::1]:8080/client/v4/", "https://gateway.example.com/cloudflare/client/v4"],
    )
    def test_urls(self, url: str) -> None:
        """Any http or https address is valid as the address of the API."""
        assert load(api(f"url: '{url}'")).api.url == url

    def test_names(self) -> None:
        """Names can contain any Unicode character."""
        assert only_account(account('name: "Ünï \U0001f680 \\n \\"x\\""')).name == 'Ünï \N{ROCKET} \n "x"'

    def test_byte_order_mark_and_line_endings(self) -> None:
        """A file with a byte order mark and Windows line endings is valid."""
        content = account("name: x").replace("\n", "\r\n")
        assert load(content.encode("utf-8-sig")) == load(account("name: x"))

    def test_aliases(self) -> None:
        """YAML aliases and merge keys work for policy tests, and a key overrides the merged one."""
        tests = only_account(
            policy_tests("&shared {id: a, interval: 1m}", "{<<: *shared, id: b}", "{<<: *shared, id: c, interval: 2m}")
        ).policy_tests
        assert [(test.id, float(test.interval)) for test in tests] == [("a", 60), ("b", 60), ("c", 120)]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary()
KEYS = st.sampled_from([*Api.__struct_fields__, *Account.__struct_fields__, *Users.__struct_fields__, "${A}"])
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


def outcome(content: bytes) -> str:
    """Return the error message for a file, or an empty string if the file is valid."""
    try:
        load(content)
    except ConfigError as error:
        return str(error)
    return ""


class TestAnyFile:
    @pytest.mark.fuzz
    @given(content=st.binary() | st.text(st.characters(exclude_categories=["Cs"])).map(str.encode))
    def test_any_bytes(self, content: bytes) -> None:
        """Any invalid content of a file gives an error message of one printable line."""
        message = outcome(content)
        assert message.startswith("config.yaml: ")
        assert message.isprintable()

    @pytest.mark.fuzz
    @given(ANYTHING, st.dictionaries(KEYS, ANYTHING, max_size=4))
    def test_any_tree(self, api: object, values: dict[str, object]) -> None:
        """Any values of the keys give a configuration, or an error message of one printable line."""
        content = {"api": api, "accounts": [{"id": "a", "api_token": "b"} | values]}
        message = outcome(yaml.safe_dump(content, encoding="utf-8"))
        assert message.startswith("config.yaml: ") or not message
        assert message.isprintable()
