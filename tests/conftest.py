"""Fixtures that several test files use."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import responses
from hypothesis import HealthCheck, settings

from access_exporter import cli
from access_exporter.clock import Clock
from access_exporter.cloudflare import cursor, pagination
from access_exporter.config import files
from access_exporter.logs import JsonFormatter, LogfmtFormatter
from tests.certificates import Authority
from tests.config_files import ENVIRON, SECRET
from tests.processes import Exporter, Outcome, Run, exporter
from tests.secured import HASH, install, write

# Normal runs use Hypothesis's default number of examples. They have no deadline, because the machine may be busy.
settings.register_profile("everyday", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("everyday"), max_examples=100_000)  # for `make fuzz`
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))


@pytest.fixture
def secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new working directory with secret files of every kind."""
    contents = {
        "token": f"  {SECRET}\n".encode(),
        "empty": b"",
        "blank": b" \n\t\n",
        "binary": b"\xff\xfe" + SECRET.encode(),
        "spaces": f"{SECRET} {SECRET}".encode(),
        "lines": f"{SECRET}\n{SECRET}\n".encode(),
        "accent": f"{SECRET}é".encode(),
        "null": f"{SECRET}\0".encode(),
        "large": SECRET.encode() * 5000,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "directory").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Undo `logs.setup` after the test."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in root.handlers[:]:
        if isinstance(handler.formatter, JsonFormatter | LogfmtFormatter):
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """Mocked responses; a request for any other address fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's proxy settings, so that requests reach the loopback interface directly."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, secret_files: Path, own_logging: None
) -> Run:
    """Run the command in this process, in a folder with secret files, and without waiting before retries."""
    for name in ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "SPACES"):
        monkeypatch.setenv(name, ENVIRON[name])
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)

    def run(*arguments: str) -> Outcome:
        try:
            code: int | str | None = cli.main(arguments)
        except SystemExit as ended:
            code = ended.code
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the exporter recognize an endless list after 5,000 rows, not after millions."""
    for walk in (pagination, cursor):
        monkeypatch.setattr(walk, "MAX_ROWS", 5_000)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Return the warnings and errors that were logged since the last call, as formatted lines."""
    caplog.set_level(logging.INFO)
    formatter = LogfmtFormatter()

    def lines() -> list[str]:
        found = [record for record in caplog.records if record.name.startswith("access_exporter")]
        caplog.clear()
        return [formatter.format(record) for record in found if record.levelno >= logging.WARNING]

    return lines


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    folder = tmp_path_factory.mktemp("web")
    install(authority, folder)
    config = write(
        folder / "web.yaml",
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, min_version: TLS13}\n"
        f"basic_auth_users: {{prometheus: '{HASH}'}}\n"
        "http_server_config: {headers: {X-Frame-Options: deny}}\n",
    )
    with exporter("--demo", f"--web.config.file={config}") as running:
        running.url = running.url.replace("http:", "https:")
        yield running
