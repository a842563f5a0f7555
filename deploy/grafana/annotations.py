"""Annotations: marks for restarts, reloads and policy tests in every time series panel."""

from deploy.grafana.panels import DATASOURCE, Json
from deploy.grafana.queries import JOB, of_account

STARTED = f"process_start_time_seconds{{{JOB}}}"
RELOADED = f"cloudflare_access_exporter_config_last_reload_success_timestamp_seconds{{{JOB}}}"
FINISHED = of_account("cloudflare_access_policy_test_finished_timestamp_seconds", "policy_test")


def annotations(*, tests: bool) -> list[Json]:
    """Return the annotations of a dashboard; `tests` says whether marks of policy tests are enabled by default."""
    return [
        _annotation("Restarts", STARTED, "orange", "{{instance}}"),
        # The exporter also loads its configuration when it starts, which is not a reload.
        _annotation("Reloads", f"({RELOADED} > {STARTED} + 10)", "blue", "{{instance}}"),
        _annotation("Policy tests", FINISHED, "purple", "{{policy_test}}", enable=tests),
    ]


def _annotation(name: str, seconds: str, color: str, text: str, *, enable: bool = True) -> Json:
    """Return an annotation; the value of a series in seconds is its time, which Grafana expects in milliseconds."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": enable,
        "hide": False,
        "iconColor": color,
        "expr": f"1000 * {seconds}",
        "titleFormat": name.removesuffix("s"),
        "textFormat": text,
        "useValueForTime": True,
    }
