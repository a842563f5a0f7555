"""No output shows a secret or personal data, for any response of Cloudflare."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path

import bcrypt
import prometheus_client
import pytest
import requests

from access_exporter import simulator
from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.collectors import configured
from access_exporter.collectors.protocol import Poll
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.errors import PollError
from access_exporter.logs import FORMATS
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from access_exporter.simulator import Account, Handler, PolicyTestUser, Request, Simulator
from access_exporter.simulator.account import Life
from access_exporter.simulator.server import Fault
from tests.fakes import FakeClock
from tests.faults import CHUNKED, OK, answers, result, sends
from tests.planted import APPLICATIONS, DEVICE, EMAIL, KEY, MISPLACED, PASSWORD, PEOPLE, PLANTED, POLICY, SCRAPER, TOKEN
from tests.processes import ROOT, Exporter, exporter

TEST = "f1a8" * 16
UNKNOWN_TEST = "b2" * 32
STARTED = "{name: fresh, policies: [policy]}, {discover: applications}"
TESTED = ("wiki", "unknown", "fresh", "applications", "discovered")
OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0"}

HEADERS = {
    "Set_Cookie": f"{PLANTED}={PLANTED}; Domain={PLANTED}; expires={PLANTED}",
    "WWW_Authenticate": f'Bearer realm="{PLANTED}", error="{PLANTED}"',
    "Ratelimit": f'"{PLANTED}";r=5{PLANTED};t={PLANTED}',
    "Retry_After": "0",
    f"X_{PLANTED}": PLANTED,
}
ERRORS = json.dumps(
    {
        "success": False,
        "errors": [{"code": 10000, "message": f"{TOKEN} of {EMAIL}", PLANTED: PLANTED}, {"code": PLANTED}, PLANTED],
        "messages": [PLANTED],
        "result": {PLANTED: PLANTED},
    }
)
PAGE = f"<!DOCTYPE html><title>{EMAIL}</title><p>{TOKEN} {KEY}"
LEAKS: dict[str, Callable[[Handler], None]] = {
    **{f"{status} JSON": answers(status, ERRORS, **HEADERS) for status in (200, 400, 401, 403, 404, 429, 500)},
    **{f"{status} HTML": answers(status, PAGE, **HEADERS) for status in (200, 400, 401, 403, 404, 418, 500, 526)},
    "Retry-After": answers(429, PAGE, Retry_After=PLANTED),
    "redirect": answers(302, PAGE, Location=f"https://{EMAIL}:{TOKEN}@{PLANTED}.example/{PLANTED}?{PLANTED}#{PLANTED}"),
    "redirect to nowhere": answers(301, PAGE, Location=f"//[{PLANTED}"),
    "reason phrase": sends(f"HTTP/1.1 403 {PLANTED}", "Content-Length: 0", "", ""),
    "truncated JSON": answers(200, f'{{"success": true, "result": [{{"email": "{EMAIL}", "name": "{PLANTED}'),
    "a string": result(f'"{PLANTED}"'),
    "rows that are strings": result(f'["{PLANTED}"]'),
    "a row of wrong types": result(f'[{{"id": {{"{PLANTED}": "{PLANTED}"}}}}]'),
    "an object of wrong types": result(f'{{"id": ["{PLANTED}"], "status": {{"{PLANTED}": 1}}, "created_at": [1]}}'),
    "an invalid date": result(f'{{"id": "{PLANTED}", "revoked_at": "{PLANTED}", "last_seen_at": "{PLANTED}"}}'),
    "an invalid envelope": answers(200, f'{{"success": "{PLANTED}", "{PLANTED}": "{PLANTED}"}}'),
    "broken text": answers(200, f'{{"result": [{{"id": 5, "name": "{PLANTED}'.encode() + b'\xff"}]}'),
    "gzip": answers(200, PAGE, Content_Encoding="gzip"),
    "an unknown encoding": answers(200, PAGE, Content_Encoding=PLANTED),
    "not HTTP": sends(PAGE),
    "an invalid status": sends(f"HTTP/1.1 {PLANTED} {PLANTED}", "", ""),
    "an invalid version": sends(f"HTTP/{PLANTED} 200 OK", "", ""),
    "two Content-Length headers": sends(OK, f"Content-Length: 1, 2, {PLANTED}", "Content-Length: 1,2", "", PAGE),
    "an invalid header": sends(OK, PLANTED, f"{PLANTED}\0{PLANTED}", "", PAGE),
    "an invalid chunk": sends(OK, CHUNKED, "", PLANTED, PLANTED),
    "a truncated chunk": sends(OK, CHUNKED, "", f"500;{PLANTED}", PLANTED),
    "a truncated body": sends(OK, "Content-Length: 5000", "", PAGE),
}
RESULTS = [
    PolicyTestUser(user.id, user.email, user.name, status)
    for user, status in zip(PEOPLE, ("approved", PLANTED, None), strict=True)
]
TESTS = [simulator.PolicyTest(TEST, "complete", RESULTS), simulator.PolicyTest(UNKNOWN_TEST, PLANTED, RESULTS)]


# An account for each leak, and one for each kind of credential.
LEAKING = {f"leak-{number}": leak for number, leak in enumerate(LEAKS)}
CREDENTIALS = {
    "token": f"api_token: {TOKEN}",
    "token-variable": "api_token: '${PLANTED_TOKEN}'",
    "token-file": "api_token_file: {path}/token",
    "key-file": f"api_email: {EMAIL}, api_key_file: {{path}}/key",
    "key-variable": "api_email: '${PLANTED_EMAIL}', api_key: '${PLANTED_KEY}'",
}


def cloudflare() -> Simulator:
    """Simulate accounts full of personal data, with a finished policy test and one with an unknown status."""
    leaking = [Account(name, PEOPLE, token=f"{TOKEN}-{name}") for name in LEAKING]
    others = [Account(name, PEOPLE, TESTS, token=TOKEN, email=EMAIL, key=KEY) for name in CREDENTIALS]
    for account in others:
        account.any_life = lambda _: Life(RESULTS)
        account.lists |= {"policies": (POLICY | {"id": "policy"},), "apps": APPLICATIONS}
    for account in leaking + others:
        account.registrations = (DEVICE,)
    return Simulator(leaking + others, max_per_page=2)


def leak(request: Request) -> Fault:
    """Let each account of LEAKING send its own leak."""
    return LEAKS[LEAKING[request.account_id]] if request.account_id in LEAKING else answers(403, ERRORS)


def write(path: Path, url: str, interval: int = 600) -> Path:
    """Write a configuration with all these accounts."""
    (path / "token").write_text(TOKEN, encoding="utf-8")
    (path / "key").write_text(KEY, encoding="utf-8")
    config = path / "config.yaml"
    users = f"users: {{interval: {interval}s}}, devices: {{interval: {interval}s}}"
    tests = f"policy_tests: [{{id: {TEST}, name: wiki}}, {{id: {UNKNOWN_TEST}, name: unknown}}, {STARTED}]"
    leaking = [f"  - {{id: {name}, api_token: {TOKEN}-{name}, {users}}}" for name in LEAKING]
    others = [
        f"  - {{id: {name}, {credential.replace('{path}', str(path))}, {users}, {tests}}}"
        for name, credential in CREDENTIALS.items()
    ]
    api = f"api: {{url: '{url}', timeout: 5s}}"
    config.write_text("\n".join([api, "accounts:", *leaking, *others, ""]), encoding="utf-8")
    return config


ENVIRON = {"PLANTED_TOKEN": TOKEN, "PLANTED_EMAIL": EMAIL, "PLANTED_KEY": KEY}


def assert_clean(what: str, text: str | bytes) -> None:
    """Check that a text contains no planted secret or name, in capitals or not."""
    content = text.decode("latin-1") if isinstance(text, bytes) else text
    assert content, f"{what} is empty"
    found = [content[max(0, each.start() - 80) : each.end() + 40] for each in re.finditer(PLANTED, content, re.I)]
    assert not found, f"{what} shows {found[0]!r}"


def web(path: Path) -> Path:
    """Write a web configuration with a user of basic auth."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    path.write_text(f"basic_auth_users: {{{SCRAPER}: '{hashed}'}}\n", encoding="utf-8")
    return path


def assert_clean_pages(running: Exporter) -> None:
    """Check every page of a running exporter, with a correct password and with two wrong ones."""
    for path, headers in (("/metrics", {}), ("/metrics", OPENMETRICS), ("/", {}), ("/-/ready", {})):
        answer = requests.get(running.url + path, headers=headers, auth=(SCRAPER, PASSWORD), timeout=10)
        assert answer.status_code == 200
        assert_clean(path, answer.content + str(answer.headers).encode())
    for name, password in ((SCRAPER, f"{PASSWORD}x"), (EMAIL, TOKEN)):
        answer = requests.get(f"{running.url}/{TOKEN}?{TOKEN}", auth=(name, password), timeout=10)
        assert answer.status_code == 401
        assert_clean("a refusal", answer.content + str(answer.headers).encode())
    answer = requests.get(f"{running.url}/{TOKEN}?{EMAIL}", auth=(SCRAPER, PASSWORD), timeout=10)
    assert answer.status_code == 404
    assert_clean("a missing page", answer.content + str(answer.headers).encode())


def reload(running: Exporter, status: int) -> None:
    """Let a running exporter reload its configuration."""
    answer = requests.post(f"{running.url}/-/reload", auth=(SCRAPER, PASSWORD), timeout=10)
    assert answer.status_code == status
    assert_clean("the response to a reload", answer.content)


def test_the_running_process(tmp_path: Path) -> None:
    """Log, pages, stored files and command line of a process show no secret, after good and failed polls."""
    storage = tmp_path / "storage"
    with cloudflare() as server:
        config = write(tmp_path, server.url)
        flags = (
            "--log.level=debug",
            f"--config.file={config}",
            f"--web.config.file={web(tmp_path / 'web.yaml')}",
            f"--storage.path={storage}",
            "--web.enable-lifecycle",
        )
        with exporter(*flags, environ=ENVIRON) as running:
            for name, target in product((*LEAKING, *CREDENTIALS), ("users", "devices")):
                running.wait_for("poll succeeded", account_id=name, target=target)
            for name, target in product(CREDENTIALS, TESTED):
                running.wait_for("poll succeeded", account_id=name, target=target)
            assert_clean_pages(running)
            server.fault = leak
            write(tmp_path, server.url, interval=601)
            reload(running, 200)
            for name, target in product((*LEAKING, *CREDENTIALS), ("users", "devices")):
                running.wait_for("poll failed", account_id=name, target=target)
            for wrong in MISPLACED:
                config.write_text(wrong, encoding="utf-8")
                reload(running, 500)
            (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{{SCRAPER}: {PASSWORD}}}\n", encoding="utf-8")
            assert_clean_pages(running)
            running.wait_for("web configuration not reloaded")
            assert_clean("the command line", Path(f"/proc/{running.process.pid}/cmdline").read_bytes())
        stored = list((storage / "snapshots").iterdir())
        others = ("organization-", ".writing-")  # optional targets, and writes that the end of the process interrupted
        required = [file for file in stored if not file.name.startswith(others)]
        assert len(required) == 2 * len(LEAKING) + (2 + len(TESTED)) * len(CREDENTIALS)
        for file in stored:
            assert_clean("a stored file", file.read_bytes() + file.name.encode())
        assert_clean("the log", "".join(running.lines))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("leaks", [False, True], ids=["good", "bad"])
def test_once(tmp_path: Path, form: str, leaks: bool) -> None:
    """Log and metrics of `--once` show no secret, in either log format."""
    with cloudflare() as server:
        server.fault = leak if leaks else None
        config = write(tmp_path, server.url)
        ended = run("--once", "--log.level=debug", f"--log.format={form}", f"--config.file={config}")
    assert ended.returncode == int(leaks)
    assert_clean("the log", ended.stderr)
    assert_clean("the metrics", ended.stdout)


@pytest.mark.parametrize("proxy", ["http://{}:{}@127.0.0.1:{port}", "http://{}:{}@{}.invalid", "http://{}:{}@[{}"])
def test_the_password_of_a_proxy(tmp_path: Path, proxy: str) -> None:
    """Log and metrics show neither the password nor the name of a proxy that cannot be used."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"api: {{url: 'http://api.example', timeout: 5s}}\naccounts: [{{id: a, api_token: {TOKEN}}}]\n",
        encoding="utf-8",
    )
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = proxy.replace("{port}", str(closed.getsockname()[1])).format(PLANTED, PLANTED, PLANTED)
        ended = run("--once", "--log.level=debug", f"--config.file={config}", http_proxy=address)
    assert ended.returncode == 1
    assert b"proxy" in ended.stderr
    assert_clean("the log", ended.stderr)
    assert_clean("the metrics", ended.stdout)


def test_the_check_of_a_configuration(tmp_path: Path) -> None:
    """The plan of `--config.check` shows no secret."""
    config = write(tmp_path, "https://api.example")
    ended = run("--config.check", f"--config.file={config}", f"--web.config.file={web(tmp_path / 'web.yaml')}")
    assert ended.returncode == 0
    assert_clean("the plan", ended.stdout + ended.stderr)


def run(*flags: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the exporter until it ends."""
    command = [sys.executable, "exporter.py", *flags]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **ENVIRON, **environ}, capture_output=True, timeout=50, check=False
    )


@pytest.mark.parametrize("name", LEAKS)
def test_errors(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """No error shows a secret: not its text, its traceback, or the facts of the exporter's log events."""
    caplog.set_level(logging.DEBUG, logger="access_exporter")
    with cloudflare() as server:
        server.fault = lambda _: LEAKS[name]
        secret = Secret("the test", TOKEN)
        started = (PolicyTest(name="fresh", policies=("policy",)), PolicyTest(discover="applications"))
        tests = (PolicyTest(id=TEST), *started)
        account = AccountConfig(id="token", api_token=secret, policy_tests=tests, devices=True)
        clock = FakeClock()
        config = Config(api=Api(url=server.url), accounts=(account,))
        clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), clock)
        clients.configure(config)
        collectors = list(configured(account, clients.of(account)))
        snapshots = Snapshots(clock)
        snapshots.configure(collectors)
        for collector in collectors:
            try:
                collector.fetch(Poll(None, clock.time(), lambda _: True))
            except PollError as error:
                assert_clean("the error", repr(error) + "".join(traceback.format_exception(error)))
            else:
                assert collector.is_optional  # an optional target accepts a refusal
            Poller(snapshots, clock).poll(collector)
    events = [vars(record) for record in caplog.records if record.name.startswith("access_exporter")]
    assert_clean("an event", repr(events))
