"""Accounts that are split over several exporters."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from access_exporter.config.sharding import owner
from access_exporter.errors import UsageError
from access_exporter.options import Options
from access_exporter.simulator import Account, Simulator, User
from tests.processes import exporter

NO_NUMBER = "--shard: required with --total-shards, because POD_NAME does not end with a number like -0"
IDS = [f"{number:032x}" for number in range(1000)]


def test_seven_processes_poll_each_of_a_thousand_accounts_once(tmp_path: Path) -> None:
    """Seven processes with the same configuration poll each account once, and report their number of targets."""
    # Each account has its own token, so that no account waits for the rate limit of another.
    accounts = [Account(account_id, [User("1", access_seat=True)], token=f"token-{account_id}") for account_id in IDS]
    with Simulator(accounts) as cloudflare:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"api: {{url: '{cloudflare.url}', requests_per_second: 10000, burst: 10000}}\naccounts:\n"
            + "".join(
                f"  - {{id: '{account_id}', api_token: 'token-{account_id}', devices: false, "
                "users: {interval: 1h, stale_after: 2h}}\n"
                for account_id in IDS
            ),
            encoding="utf-8",
        )
        served: Counter[str] = Counter()
        targets = 0
        with ExitStack() as stack:
            shards = [
                stack.enter_context(exporter(f"--config.file={config}", f"--shard={number}", "--total-shards=7"))
                for number in range(7)
            ]
            for number, running in enumerate(shards):
                expected = sum(owner(account_id, 7) == number for account_id in IDS)
                for _ in range(expected):
                    running.wait_for("poll succeeded")
                families = list(text_string_to_metric_families(requests.get(f"{running.url}/metrics", timeout=10).text))
                samples = {sample.name: sample for family in families for sample in family.samples}
                info = samples["cloudflare_access_exporter_shard_info"].labels
                assert info == {"shard": str(number), "total_shards": "7"}
                targets += int(samples["cloudflare_access_exporter_targets"].value)
                (used,) = [family for family in families if family.name == "cloudflare_access_seats_used"]
                served.update(sample.labels["account_id"] for sample in used.samples)
        polled = Counter(arrival.account_id for arrival in cloudflare.arrivals if arrival.endpoint == "users")
    assert targets == 1000
    assert polled == Counter(IDS)
    assert served == Counter(IDS)


@pytest.mark.parametrize("total", [1, 2, 6, 7])
def test_another_shard_moves_few_accounts(total: int) -> None:
    """One more shard takes over its fair share of accounts, and no account moves between the other shards."""
    moved = [account_id for account_id in IDS if owner(account_id, total) != owner(account_id, total + 1)]
    assert {owner(account_id, total + 1) for account_id in moved} == {total}
    assert 0.7 < len(moved) / (len(IDS) / (total + 1)) < 1.3


def test_shards_are_about_equal() -> None:
    """Each of seven shards has about a seventh of the accounts."""
    sizes = Counter(owner(account_id, 7) for account_id in IDS)
    assert len(sizes) == 7
    assert all(0.7 < size / (1000 / 7) < 1.3 for size in sizes.values())


def test_the_shard_number_comes_from_the_pod_name() -> None:
    """Without --shard, the shard number is the last number of the StatefulSet's pod name."""
    assert Options(total_shards=20).shard_number({"POD_NAME": "access-exporter-2-17"}) == 17
    assert Options(total_shards=1).shard_number({"POD_NAME": "access-exporter-5"}) == 0
    assert Options(shard=3, total_shards=20).shard_number({"POD_NAME": "access-exporter-17"}) == 3


@pytest.mark.parametrize(
    ("number", "total", "pod", "message"),
    [
        (7, 7, "", "--shard: expected a number below --total-shards, which is 7; got 7"),
        (0, 0, "", "--shard: expected a number below --total-shards, which is 0; got 0"),
        (None, 2, "exporter-2", "--shard: expected a number below --total-shards, which is 2; got 2"),
        (
            None,
            2,
            "exporter",
            NO_NUMBER,
        ),
    ],
)
def test_an_impossible_shard_number_is_an_error(number: int | None, total: int, pod: str, message: str) -> None:
    """An impossible or unknown shard number is an error, because otherwise no shard would poll some accounts."""
    with pytest.raises(UsageError) as error:
        Options(shard=number, total_shards=total).shard_number({"POD_NAME": pod or "x"})
    assert str(error.value) == message
