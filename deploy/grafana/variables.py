"""The variables at the top of a dashboard."""

from deploy.grafana.panels import DATASOURCE, Json
from deploy.grafana.queries import ACCOUNT, INFO, JOB

SHOWN, HIDDEN = 0, 2
BUILD = "cloudflare_access_exporter_build_info"


def _variable(name: str, label: str, kind: str, query: str | Json, hide: int = SHOWN) -> Json:
    """Return a variable; a hidden variable depends on other variables, and the URL does not contain it."""
    return {"name": name, "label": label, "type": kind, "query": query, "hide": hide, "skipUrlSync": hide == HIDDEN}


def _choice(name: str, label: str, series: str, of: str, *, hide: int = SHOWN) -> Json:
    """Return a variable to choose any number of values of a label; the default is All."""
    query = {"query": f"label_values({series}, {of})", "refId": name}
    return _variable(name, label, "query", query, hide) | {
        "datasource": DATASOURCE,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
        "refresh": 2,  # on each change of the time range
        "sort": 1,
    }


def _or_without(choice: Json, pattern: str) -> Json:
    """Return a variable with this pattern as the value of All, instead of its list of values."""
    return choice | {"allValue": pattern}


DATASOURCE_VARIABLE = _variable("datasource", "Data source", "datasource", "prometheus") | {"refresh": 1}
# Prometheus adds these labels in Kubernetes or for several clusters. All also matches series without these labels.
CLUSTER = _or_without(_choice("cluster", "Cluster", BUILD, "cluster"), ".*")
NAMESPACE = _or_without(_choice("namespace", "Namespace", f'{BUILD}{{cluster=~"$cluster"}}', "namespace"), ".*")
# All means the listed jobs, because a pattern would match every process that this Prometheus scrapes.
JOBS = _choice("job", "Job", f'{BUILD}{{cluster=~"$cluster", namespace=~"$namespace"}}', "job")
# Users choose an account by its name, and queries select the account's id, which depends on the name.
ACCOUNT_NAME = _or_without(_choice("account", "Account", f"{INFO}{{{JOB}}}", "account_name"), ".+")
ACCOUNT_ID = _choice(
    "account_id", "Account id", f'{INFO}{{{JOB}, account_name=~"$account"}}', "account_id", hide=HIDDEN
)
COMMON = (DATASOURCE_VARIABLE, CLUSTER, NAMESPACE, JOBS, ACCOUNT_NAME, ACCOUNT_ID)

POLICY_TEST = _or_without(
    _choice(
        "policy_test", "Policy test", f'cloudflare_access_poll_success{{{ACCOUNT}, collector="policy_tests"}}', "target"
    ),
    ".+",
)
PRICE = _variable("price", "Price of a seat per month", "textbox", "7") | {"current": {"text": "7", "value": "7"}}
