"""The values of the Helm chart: every value is documented, a schema checks it, and secrets stay in the Secret."""

import base64
import importlib.util
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml

from access_exporter.config.model import Account, Api, Config, Devices, PolicyTest, ServiceTokens, Users
from access_exporter.serving import web_config
from tests.deploy.files import DEPLOY
from tests.deploy.helm import CHART, ID, SCHEMA, VALUES, container, helm, only, refused, rendered, workload
from tests.deploy.manifests import validate

TOKEN = "cfut_made0up1made2up3made4up5made6up7made8up"
# Values that Kubernetes defines.
PODS = ("resources", "podSecurityContext", "securityContext")
WHOLE = (*PODS, "dashboards.configMaps.labels", "dashboards.grafanaOperator.instanceSelector")
THRESHOLDS = yaml.safe_load((DEPLOY / "rules" / "thresholds.yaml").read_text("utf-8"))


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("values_table", DEPLOY / "helm" / "generate_values_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_account(**keys: Any) -> dict[str, Any]:
    return {"config": {"accounts": [{"id": ID} | keys]}}


def paths(values: dict[str, Any], above: str = "") -> Iterator[str]:
    """Yield the path of every value that is not a mapping of other values."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from paths(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def properties(path: str) -> set[str]:
    """Return the keys that the schema allows at a path, and follow references to `$defs`."""
    found = SCHEMA
    for part in path.split("."):
        found = found[part] if part else found
        if "$ref" in found:
            found = SCHEMA["$defs"][found["$ref"].rpartition("/")[2]]
    assert found["additionalProperties"] is False
    return set(found["properties"])


def test_every_value_has_a_comment(generator: ModuleType) -> None:
    """Every key of values.yaml has a comment that ends with a period; a Kubernetes object needs only one comment."""
    documented = {
        value.path: value.meaning for value in generator.documented((CHART / "values.yaml").read_text("utf-8"))
    }
    for path in paths(VALUES):
        assert path in documented or any(path.startswith(f"{each}.") and each in documented for each in WHOLE), path
    assert all(meaning.endswith(".") for meaning in documented.values())


def test_the_table_of_values_is_current(generator: ModuleType) -> None:
    """The table of values in the chart's README matches values.yaml; `make docs` updates the table."""
    readme = (CHART / "README.md").read_text("utf-8")
    assert generator.rendered(readme, (CHART / "values.yaml").read_text("utf-8")) == readme
    assert "| `shards` | `1` |" in readme


def test_the_schema_is_valid() -> None:
    """The schema of the values is a valid JSON Schema, draft 7."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_the_schema_allows_exactly_the_values() -> None:
    """The schema allows only the keys of values.yaml, the keys that Helm adds, and the keys of Kubernetes objects."""
    assert properties("") == VALUES.keys() | {"global", "enabled"}
    for name, value in VALUES.items():
        if isinstance(value, dict) and value and name != "config":
            allowed = properties(f"properties.{name}")
            assert allowed >= set(value) if name in PODS else allowed == set(value), name
    assert properties("properties.prometheusRule.properties.thresholds") == set(THRESHOLDS)


def test_the_schema_knows_every_key_of_the_configuration() -> None:
    """The schema allows the exporter's configuration keys in `config`, and the keys of web.yaml in `web.config`."""
    config = "properties.config"
    assert properties(config) == set(Config.__struct_fields__)
    assert properties(f"{config}.properties.api") == set(Api.__struct_fields__)
    assert properties("$defs.account") == set(Account.__struct_fields__)
    assert properties("$defs.policyTest") == set(PolicyTest.__struct_fields__)
    for name, section in {"users": Users, "devices": Devices, "service_tokens": ServiceTokens}.items():
        assert properties(f"$defs.account.properties.{name}") == set(section.__struct_fields__)
    assert properties("properties.web.properties.config") == set(web_config.WebConfig.__struct_fields__)


def test_thresholds_have_one_source() -> None:
    """The thresholds in values.yaml are the same as in deploy/rules/thresholds.yaml."""
    assert VALUES["prometheusRule"]["thresholds"] == {name: each["default"] for name, each in THRESHOLDS.items()}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"imag": {"tag": "1"}}, "'imag' not allowed"),
        ({"image": {"tags": "1"}}, "'tags' not allowed"),
        ({"image": {"digest": "sha256:1"}}, "/image/digest"),
        ({"shards": 0}, "/shards"),
        ({"shards": "3"}, "/shards"),
        ({"config": {"accounts": []}}, "/config/accounts"),
        ({"config": {"accounts": [{"name": "Example"}]}}, "missing property 'id'"),
        (of_account(id="example"), "/config/accounts/0/id"),
        (of_account(seat_limits=50), "'seat_limits' not allowed"),
        (of_account(seat_limit=0), "/config/accounts/0/seat_limit"),
        (of_account(users={"interval": "5s"}), "/config/accounts/0/users/interval"),
        (of_account(users={"interval": 9}), "/config/accounts/0/users/interval"),
        (of_account(users={"stale_after": "soon"}), "/config/accounts/0/users/stale_after"),
        (of_account(devices="yes"), "/config/accounts/0/devices"),
        (of_account(policy_tests=[{"discover": "apps"}]), "/config/accounts/0/policy_tests/0/discover"),
        ({"extraArgs": ["--config.file=mine"]}, "extraArgs: the chart sets --config.file"),
        ({"extraArgs": ["--web.listen-address", ":9"]}, "/extraArgs/1"),
        ({"podSecurityContext": {"runAsNonRot": True}}, "'runAsNonRot' not allowed"),
        ({"securityContext": {"readOnlyRootFileSystem": True}}, "'readOnlyRootFileSystem' not allowed"),
        ({"persistence": {"size": "much"}}, "/persistence/size"),
        ({"shards": 2, "persistence": {"existingClaim": "mine"}}, "shards cannot share a volume"),
        ({"secret": {"existingSecret": "mine", "data": {"token": "made-up"}}}, "existingSecret or data"),
        ({"web": {"tls": True}}, "web: give config"),
        ({"web": {"config": {"tls": {}}}}, "'tls' not allowed"),
        ({"serviceMonitor": {"interval": "1 minute"}}, "/serviceMonitor/interval"),
        ({"prometheusRule": {"thresholds": {"seats": 1}}}, "'seats' not allowed"),
        ({"prometheusRule": {"enabled": True, "disabled": ["CloudflareAccessNothing"]}}, "there is no alert"),
        ({"podDisruptionBudget": {"maxUnavailable": "half"}}, "/podDisruptionBudget/maxUnavailable"),
    ],
    ids=str,
)
def test_wrong_values_are_refused(values: dict[str, Any], why: str) -> None:
    """Helm refuses an unknown or wrong value, and the error message names it."""
    assert why in refused(values)


@pytest.mark.parametrize("duration", ["90s", "5m", "2h", "1d", "1h30m", "1.5h", 90, "90", "20000ms", "${INTERVAL}"])
def test_durations_of_the_exporter_are_accepted(duration: str | float) -> None:
    """The chart accepts each form of a duration that the exporter accepts."""
    assert rendered(values=of_account(users={"interval": duration, "stale_after": duration}))


@pytest.mark.parametrize(
    "values",
    [
        of_account(api_token=TOKEN),
        of_account(api_key="0123456789abcdef0123456789abcdef01234"),
        of_account(api_email="someone@example.com"),
        of_account(api_token=f"${{TOKEN:-{TOKEN}}}"),
        of_account(id=TOKEN),
        of_account(name=TOKEN),
        of_account(name="0123456789abcdef0123456789abcdef01234"),
        of_account(api_token_file=f"/run/secrets/{TOKEN}"),
        of_account(name="made-up-secret-123") | {"secret": {"data": {"token": "made-up-secret-123\n"}}},
        {"extraArgs": [f"--web.allowed-hosts={TOKEN}"]},
        {"extraEnv": [{"name": "CLOUDFLARE_API_TOKEN", "value": TOKEN}]},
    ],
    ids=str,
)
def test_a_secret_outside_of_the_secret_is_refused(values: dict[str, Any]) -> None:
    """The chart refuses a secret in a value that a ConfigMap or a pod would show, and the message hides the secret."""
    said = refused(values)
    assert re.search(r"secret\.data|secret\.environment|/config/accounts/0/id", said)
    assert not any(each in said for each in (TOKEN, "0123456789abcdef", "someone", "made-up-secret-123"))


def test_a_credential_can_come_from_a_variable() -> None:
    """The chart accepts an environment variable as a token, key or e-mail address, also with an empty default."""
    assert rendered(values=of_account(api_token="${TOKEN:-}", api_key="${KEY}", api_email="${EMAIL:-}"))


def test_secrets_are_only_in_the_secret() -> None:
    """A token in the values appears in the generated Secret and in no other object."""
    objects = rendered(values={"secret": {"data": {"token": "made-up-secret-123"}}})
    assert only(objects, "Secret")["data"] == {"token": base64.b64encode(b"made-up-secret-123").decode()}
    others = [each for each in objects if each["kind"] != "Secret"]
    assert not re.search("made-up-secret-123|bWFkZS11cC1zZWNyZXQ", yaml.safe_dump(others))


@pytest.mark.parametrize(
    "number_like", ["00000000000000000000000000000e10", "12345678901234567890123456789012", "1" * 31 + "e"]
)
def test_an_id_stays_a_string(number_like: str) -> None:
    """An account ID that looks like a number stays an unchanged string in the ConfigMap."""
    (text,) = (
        each["data"]["config.yaml"]
        for each in rendered(values=of_account(id=number_like))
        if each["kind"] == "ConfigMap"
    )
    assert yaml.safe_load(text)["accounts"][0]["id"] == number_like


def test_large_numbers_stay_numbers() -> None:
    """A seat limit of one million stays 1000000 in the ConfigMap, and does not become 1e+06."""
    (text,) = (
        each["data"]["config.yaml"]
        for each in rendered(values=of_account(seat_limit=1_000_000))
        if each["kind"] == "ConfigMap"
    )
    assert "seat_limit: 1000000\n" in text


def test_a_change_of_the_configuration_restarts_the_pod() -> None:
    """The annotation with the checksum of the configuration changes only when the configuration changes."""

    def checksum(values: dict[str, Any]) -> str:
        annotations = workload(rendered(values=values))["spec"]["template"]["metadata"]["annotations"]
        return str(annotations["checksum/config"])

    assert checksum(of_account()) == checksum(of_account() | {"resources": {"limits": {"memory": "1Gi"}}})
    assert checksum(of_account()) != checksum(of_account(seat_limit=50))


def test_a_change_of_a_variable_restarts_the_pod() -> None:
    """A pod with an environment variable from the generated Secret restarts when the value of the variable changes."""

    def annotations(token: str) -> Any:
        secret = {"data": {"key": token}, "environment": {"TOKEN": "key"}}
        values = of_account(api_token="${TOKEN}") | {"secret": secret}
        return workload(rendered(values=values))["spec"]["template"]["metadata"]["annotations"]

    assert annotations("one") != annotations("two")


def test_user_ids_can_be_left_to_the_cluster() -> None:
    """With the values for OpenShift, the pod sets no user or group ID, and still cannot run as root."""
    objects = rendered("--values", CHART / "ci" / "openshift-values.yaml")
    context = workload(objects)["spec"]["template"]["spec"]["securityContext"]
    assert not context.keys() & {"runAsUser", "runAsGroup", "fsGroup"}
    assert context["runAsNonRoot"] is True


def test_labels_of_the_values_do_not_break_selectors() -> None:
    """Labels and annotations in the values do not replace the chart's selector labels and checksum annotation."""
    mine = {"app.kubernetes.io/name": "mine", "team": "identity"}
    objects = rendered(values={"commonLabels": mine, "podLabels": mine, "podAnnotations": {"checksum/config": "mine"}})
    template = workload(objects)["spec"]["template"]["metadata"]
    assert template["labels"].items() >= workload(objects)["spec"]["selector"]["matchLabels"].items()
    assert template["labels"]["team"] == "identity"
    assert template["annotations"]["checksum/config"] != "mine"


def test_names_that_look_like_numbers_stay_strings() -> None:
    """A name, key or label that YAML could read as a number or as yes or no stays a string in every object."""
    values = {
        "fullnameOverride": "on",
        "secret": {"existingSecret": "123", "environment": {"NO": "1e3"}},
        "web": {"existingSecret": "0", "certificateSecret": "1e3", "tls": True, "basicAuth": True},
        "persistence": {"existingClaim": "1", "storageClassName": "1"},
        "serviceAccount": {"name": "1e3"},
        "priorityClassName": "0x1",
        "serviceMonitor": {"enabled": True, "scrapeSecret": "9"},
        "prometheusRule": {"enabled": True, "job": "1"},
        "commonLabels": {"yes": "1"},
        "podAnnotations": {"on": "1"},
        "nodeSelector": {"1": "no"},
    }
    for manifest in yaml.safe_load_all(helm("template", "1e3", CHART, "--namespace", "7", values=values).stdout):
        validate(manifest)
        assert manifest["metadata"]["namespace"] == "7"
    generated = {"data": {"1": "made-up"}}
    web = {"config": {"basic_auth_users": {"1": "made-up"}}, "files": {"2": "made-up"}}
    for manifest in rendered(values={"secret": generated, "web": web, "persistence": {"storageClassName": "1"}}):
        validate(manifest)


def test_images_can_be_pinned() -> None:
    """An image with a digest in the values is pinned by tag and digest."""
    values = {"image": {"repository": "example.com/exporter", "tag": "edge", "digest": f"sha256:{'a' * 64}"}}
    assert container(rendered(values=values))["image"] == f"example.com/exporter:edge@sha256:{'a' * 64}"
