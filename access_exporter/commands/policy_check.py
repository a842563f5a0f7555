"""`--test-policy=FILE`: tests policies before somebody saves them.

    status    users
    approved  60
    blocked   15

    status   email             name      id
    blocked  jdoe@example.com  Jane Doe  f3b1…

With `--compare-with`, the command also tests the present policies of an application, and lists the people who get
another result. It prints people on standard output and nowhere else. It saves no policy at Cloudflare.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import prometheus_client
from msgspec.structs import replace

from access_exporter.clock import Clock
from access_exporter.cloudflare import Clients, RequestMetrics
from access_exporter.collectors import policy_preview
from access_exporter.commands import accounts, policy_file
from access_exporter.commands.limit import Limit
from access_exporter.commands.policy_report import Report
from access_exporter.commands.policy_report_formats import FORMATS
from access_exporter.commands.policy_results import Results
from access_exporter.commands.policy_tests_running import RunningTests
from access_exporter.commands.progress_line import ProgressLine
from access_exporter.config import Account, Config, Duration
from access_exporter.errors import CommandError, PollError, UsageError

DEFAULT_TIMEOUT_SECONDS = 30 * 60
LIMIT_EXCEEDED = 3
_LEAST_REQUEST_SECONDS = 10
_MOST_IDS = 100  # in an error message


@dataclass(frozen=True)
class Asked:
    """The values of the flags: the file to test, and how to test it and show the result. `timeout` is in seconds."""

    file: str
    account_id: str | None = None
    compare_with: str | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    lists_all: bool = False
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    format: str = "table"


def run(config: Config, asked: Asked, clock: Clock) -> int:
    """Test the policies in a file, and print the result.

    Returns 0 for success, 1 if the result is incomplete, and 3 if a limit is exceeded. Raises ConfigError for an error
    in the file or the configuration, UsageError for an unknown account, application or policy, and CommandError if the
    test fails.
    """
    policies = policy_file.read(asked.file)
    account = _chosen(config, asked.account_id)
    # Without this limit, a single slow request could take much longer than `--timeout`.
    longest = max(asked.timeout, _LEAST_REQUEST_SECONDS)
    api = replace(config.api, timeout=Duration(min(config.api.timeout, longest)))
    clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), clock)
    clients.configure(replace(config, api=api, accounts=(account,)))
    preview = policy_preview.PolicyPreview(clients.of(account), account.id)
    saved, proposed, present = _tested(preview, policies, asked, clock)
    report = Report(account.id, proposed, saved, present, asked.limits, asked.lists_all)
    for text in FORMATS[asked.format](report):
        sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()
    return _judged(report)


def _tested(
    preview: policy_preview.PolicyPreview, policies: list[policy_preview.Tested], asked: Asked, clock: Clock
) -> tuple[policy_preview.Saved | None, Results, Results | None]:
    """Run the tests. Return the saved policies, the results of the new policies, and those of the saved policies.

    The first and the last are None without `--compare-with`.
    """
    with ProgressLine(sys.stderr) as line:
        running = RunningTests(preview, clock, asked.timeout, line)
        try:
            saved = None if asked.compare_with is None else _saved(preview, asked.compare_with, asked.timeout)
            running.start(policy_file.name(asked.file), policies)
            if saved:
                running.start(f"the {saved.kind}", saved.policies or [])
            proposed, *present = running.results()
            return saved, proposed, present[0] if present else None
        except (KeyboardInterrupt, SystemExit):
            line.clear()
            if words := running.left_behind():
                sys.stderr.write(f"cloudflare-access-exporter: {words}\n")
            raise


def _judged(report: Report) -> int:
    """Print why the result is incomplete, and which limits are exceeded or kept. Return the exit code."""
    problems, verdicts = list(report.problems()), report.verdicts()
    for problem in problems:
        sys.stderr.write(f"cloudflare-access-exporter: incomplete: {problem}\n")
    for verdict in verdicts:
        sys.stderr.write(f"cloudflare-access-exporter: {verdict}\n")
    if problems:
        return 1
    return LIMIT_EXCEEDED if any(each.is_exceeded for each in verdicts) else 0


def _chosen(config: Config, account_id: str | None) -> Account:
    """Return the account with this id. Without an id, return the only account."""
    if account_id is None and len(config.accounts) == 1:
        return config.accounts[0]
    if account_id is None and config.accounts:
        raise UsageError(f"--account: required, because the configuration has {len(config.accounts)} accounts")
    return accounts.named(config, account_id or "")


def _saved(preview: policy_preview.PolicyPreview, name: str, within: float) -> policy_preview.Saved:
    """Return the application or the reusable policy with this id or name.

    Raises CommandError if Cloudflare does not answer, and UsageError if not exactly one has this id or name.
    """
    try:
        found = preview.named(name, within)
    except PollError as failure:
        raise CommandError(f"no policy test was started: the exporter cannot read the policies: {failure}") from None
    if preview.missing and not any(each.id == name for each in found):
        lists = f"Cloudflare announces {preview.missing:,} applications or policies that it does not list"
        raise CommandError(f"--compare-with: {lists}, so this name may not be the only one; use an id")
    if not found:
        raise UsageError("--compare-with: no application or reusable policy has this name or id")
    if len(found) > 1:
        ids = ", ".join(f"{each.id} ({each.kind})" for each in found[:_MOST_IDS])
        raise UsageError(f"--compare-with: several have this name; use one of the ids: {ids}")
    (saved,) = found
    if saved.policies is None:
        raise CommandError(f"--compare-with: the exporter cannot read the policies of the {saved.kind} {saved.id}")
    if not saved.policies:
        raise CommandError(f"--compare-with: the {saved.kind} {saved.id} has no policy that a test can evaluate")
    return saved
