"""A real Prometheus scrapes real exporters, evaluates the rules and sends alerts to a real Alertmanager."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.deploy.conftest import FAULTY_ACCOUNT, Chain
from tests.deploy.files import ALERTS, DEPLOY, RULES, rules
from tests.deploy.monitoring import eventually
from tests.deploy.programs import program

pytestmark = pytest.mark.deploy


@pytest.mark.parametrize("path", ["prometheus/prometheus.yaml", "alertmanager/alertmanager.yaml"])
def test_configurations_are_accepted(path: str) -> None:
    """Promtool accepts the committed configuration of Prometheus, and amtool accepts that of Alertmanager."""
    name, *arguments = {"prometheus": ("promtool", "check", "config"), "alertmanager": ("amtool", "check-config")}[
        path.partition("/")[0]
    ]
    command: list[str | Path] = [program(name), *arguments, DEPLOY / path]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_targets_are_up(chain: Chain) -> None:
    """Prometheus scrapes every exporter without an error."""

    def all_up() -> list[dict[str, Any]]:
        targets: list[dict[str, Any]] = chain.prometheus.get("targets")["activeTargets"]
        return targets if all(target["health"] == "up" for target in targets) else []

    assert [target["lastError"] for target in eventually("scraped targets", all_up)] == [""] * 3


def test_both_formats_have_the_same_series(chain: Chain) -> None:
    """Prometheus negotiates OpenMetrics, and the text format has the same time series."""

    def scraped() -> set[str]:
        return chain.openmetrics.content_types and chain.text.content_types

    eventually("a scrape in each format", scraped)
    assert {kind.partition(";")[0] for kind in chain.openmetrics.content_types} == {"application/openmetrics-text"}
    assert {kind.partition(";")[0] for kind in chain.text.content_types} == {"text/plain"}

    def series(instance: str) -> set[str]:
        found = chain.prometheus.get("series", **{"match[]": f'{{__name__=~"cloudflare_.*",instance="{instance}"}}'})
        return {str(sorted((name, value) for name, value in labels.items() if name != "instance")) for labels in found}

    eventually(
        "the same series from both formats",
        lambda: (
            len(series(chain.text.address)) > 100 and series(chain.text.address) == series(chain.openmetrics.address)
        ),
    )


def test_rules_are_healthy(chain: Chain) -> None:
    """Prometheus loads every committed rule and evaluates it without an error."""

    def evaluated() -> list[dict[str, Any]]:
        groups = chain.prometheus.get("rules")["groups"]
        loaded = [rule for group in groups for rule in group["rules"]]
        return loaded if loaded and all(rule["health"] != "unknown" for rule in loaded) else []

    loaded = eventually("evaluated rules", evaluated)
    assert {rule["health"] for rule in loaded} == {"ok"}, [rule for rule in loaded if rule["health"] != "ok"]
    committed = [str(rule.get("alert") or rule["record"]) for path in (RULES, ALERTS) for rule in rules(path)]
    assert sorted(rule["name"] for rule in loaded) == sorted(committed)


def test_recorded_series_exist(chain: Chain) -> None:
    """Every recording rule records a value for the demo or for the faulty account."""
    for rule in rules(RULES):
        eventually(rule["record"], lambda name=rule["record"]: chain.prometheus.query(name))  # type: ignore[misc]  # a lambda with a default is not typed


def test_rejected_credential_reaches_alertmanager(chain: Chain) -> None:
    """When Cloudflare answers 403, Alertmanager gets an alert with the account and a link to the runbook."""

    def rejected() -> list[dict[str, Any]]:
        answer = requests.get(f"{chain.alertmanager}/api/v2/alerts", timeout=10)
        return [
            alert for alert in answer.json() if alert["labels"]["alertname"] == "CloudflareAccessCredentialRejected"
        ]

    (alert,) = eventually("the alert in Alertmanager", rejected)
    labels = {name: value for name, value in alert["labels"].items() if name not in ("alertname", "instance")}
    assert labels == {
        "job": "cloudflare-access",
        "account_id": FAULTY_ACCOUNT,
        "collector": "users",
        "reason": "permission",
        "severity": "critical",
    }
    assert FAULTY_ACCOUNT in alert["annotations"]["description"]
    assert alert["annotations"]["runbook_url"].endswith("#cloudflareaccesscredentialrejected")
    assert alert["status"]["state"] == "active"
