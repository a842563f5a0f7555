"""The dashboard Exporter health, for people who run the exporter."""

from deploy.grafana.dashboard import EXPORTER_HEALTH, Row, dashboard
from deploy.grafana.panels import Json, bars, query, stat, timeseries, words
from deploy.grafana.queries import ACCOUNT, JOB, per_second
from deploy.grafana.thresholds import ALERTS, CREDENTIAL_EXPIRY, FAILING, GREEN, INTERVALS, RED
from deploy.grafana.variables import COMMON

BY_TARGET = "account_id, collector, target"
EACH_TARGET = "{{account_id}}: {{target}}"


def now() -> Row:
    """Return the row with the current state of exporters, targets and alerts."""
    panels = [
        stat(
            "Exporters",
            "Up if the last scrape of the exporter succeeded.",
            f"up{{{JOB}}}",
            "{{instance}}",
            mappings=words((0, "down", RED), (1, "up", GREEN)),
            alert="CloudflareAccessExporterDown",
        ),
        stat(
            "Failing targets",
            "Targets with a failed last poll.",
            f"count(cloudflare_access_poll_success{{{ACCOUNT}}} == 0) or vector(0)",
            "failing",
            steps=FAILING,
            alert="CloudflareAccessPollFailing",
        ),
        stat(
            "Targets",
            "Polled targets: lists of users, devices, applications and service tokens, and policy tests.",
            f"sum(cloudflare_access_exporter_targets{{{JOB}}})",
            "targets",
        ),
        stat(
            "Firing alerts",
            "Alerts of this exporter that fire now. Without the alert rules in alerts.yaml, this is always 0.",
            'count(ALERTS{alertname=~"CloudflareAccess.*", alertstate="firing"}) or vector(0)',
            "firing",
            steps=FAILING,
        ),
        stat(
            "Configuration",
            "Whether the last load of the configuration succeeded.",
            f"cloudflare_access_exporter_config_last_reload_successful{{{JOB}}}",
            "{{instance}}",
            mappings=words((0, "failed", RED), (1, "loaded", GREEN)),
            alert="CloudflareAccessConfigReloadFailed",
        ),
        stat(
            "Version",
            "The running version.",
            f"cloudflare_access_exporter_build_info{{{JOB}}}",
            "{{version}} on Python {{python_version}}",
            options={"textMode": "name"},
        ),
    ]
    return Row("Now", 5, panels)


def polls() -> Row:
    """Return the row with the failures, the data age and the duration of polls."""
    success = f"max by ({BY_TARGET}) (cloudflare_access_poll_last_success_timestamp_seconds{{{ACCOUNT}}})"
    interval = f"max by ({BY_TARGET}) (cloudflare_access_poll_interval_seconds{{{ACCOUNT}}})"
    errors = f"increase(cloudflare_access_poll_errors_total{{{ACCOUNT}}}[$__rate_interval])"
    panels = [
        timeseries(
            "Age of the numbers",
            "Intervals since the last successful poll. An alert fires above "
            f"{ALERTS['poll_failing_intervals']:g} if polls fail, and above {ALERTS['data_stale_intervals']:g} in any "
            "case.",
            query(f"(time() - {success})\n/ on ({BY_TARGET})\n{interval}", EACH_TARGET),
            steps=INTERVALS,
            custom={"thresholdsStyle": {"mode": "dashed"}},
            alert="CloudflareAccessDataStale",
        ),
        timeseries(
            "Failed polls by reason",
            "Number of failed polls.",
            query(f"sum by (account_id, target, reason) ({errors})", f"{EACH_TARGET}, {{{{reason}}}}"),
            alert="CloudflareAccessPollFailing",
        ),
        timeseries(
            "Duration of polls",
            "Duration of the last poll, including waits for the rate limit.",
            query(f"max by ({BY_TARGET}) (cloudflare_access_poll_duration_seconds{{{ACCOUNT}}})", EACH_TARGET),
            unit="s",
        ),
    ]
    return Row("Polls", 9, panels)


def api() -> Row:
    """Return the row with Cloudflare's responses."""
    buckets = per_second("cloudflare_access_api_request_duration_seconds_bucket", "le, endpoint")
    panels = [
        timeseries(
            "Requests to Cloudflare",
            "Requests per second, by endpoint and HTTP status.",
            query(per_second("cloudflare_access_api_requests_total", "endpoint, code"), "{{endpoint}}: {{code}}"),
            unit="reqps",
            alert="CloudflareAccessRateLimited",
        ),
        timeseries(
            "Duration of requests",
            "Time from a request to the end of its response: the median, and the 95 % quantile.",
            query(f"histogram_quantile(0.5, {buckets}) >= 0", "{{endpoint}}: median"),
            query(f"histogram_quantile(0.95, {buckets}) >= 0", "{{endpoint}}: 95 %"),
            unit="s",
        ),
        timeseries(
            "Retries",
            "Requests per second that the exporter sent again after a temporary failure.",
            query(per_second("cloudflare_access_api_retries_total", "endpoint"), "{{endpoint}}"),
            unit="reqps",
        ),
    ]
    return Row("Cloudflare API", 8, panels)


def credentials() -> Row:
    """Return the row with the expiry and the remaining rate limit of credentials."""
    expiry = f"min by (credential) (cloudflare_access_credential_expiry_timestamp_seconds{{{JOB}}})"
    panels = [
        bars(
            "Days until a token expires",
            "The API tokens of the exporter, each with the id of the first account that uses it. Yellow below "
            f"{ALERTS['credential_expiry_days']:g} days, when the alert fires. Tokens that never expire and global "
            "API keys do not appear.",
            f"({expiry} - time()) / 86400",
            "{{credential}}",
            unit="d",
            decimals=0,
            steps=CREDENTIAL_EXPIRY,
            alert="CloudflareAccessCredentialExpires",
        ),
        timeseries(
            "Requests left",
            "Requests that Cloudflare still allows in the current window, by its last response.",
            query(f"min by (credential) (cloudflare_access_api_ratelimit_remaining{{{JOB}}})", "{{credential}}"),
            alert="CloudflareAccessRateLimited",
        ),
    ]
    return Row("Credentials", 7, panels)


def process() -> Row:
    """Return the row with the resources of the exporter processes."""
    panels = [
        timeseries(
            "CPU",
            "Processor time of each exporter.",
            query(f"rate(process_cpu_seconds_total{{{JOB}}}[$__rate_interval])", "{{instance}}"),
            unit="percentunit",
        ),
        timeseries(
            "Memory",
            "Resident memory of each exporter.",
            query(f"process_resident_memory_bytes{{{JOB}}}", "{{instance}}"),
            unit="bytes",
        ),
        timeseries(
            "Duration of scrapes",
            "How long a scrape takes. A scrape never waits for Cloudflare.",
            query(f"scrape_duration_seconds{{{JOB}}}", "{{instance}}"),
            unit="s",
        ),
        timeseries(
            "Uptime",
            "Time since each exporter started.",
            query(f"time() - process_start_time_seconds{{{JOB}}}", "{{instance}}"),
            unit="s",
        ),
    ]
    return Row("Process", 7, panels)


def exporter_health() -> Json:
    """Return the dashboard."""
    return dashboard(
        EXPORTER_HEALTH,
        "Cloudflare Access / Exporter health",
        COMMON,
        [now(), polls(), api(), credentials(), process()],
    )
