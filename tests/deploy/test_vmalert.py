"""vmalert evaluates the rules as Prometheus does: vmalert-tool runs their unit tests, as far as its own rules allow.

Its clock starts in 2000 instead of 1970, so moments in the tests are moved by as much. Its `increase` does not
extrapolate, so the expected values of that function are left out.
"""

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.files import RULE_TESTS
from tests.deploy.programs import program

START = 946_684_800  # 2000-01-01, when the clock of vmalert-tool begins
MOMENTS = re.compile(r"^\w+_(timestamp|start_time)_seconds\b")
NUMBER = re.compile(r"^\d+")


def moved(values: str) -> str:
    """Return the values of a series of moments as those of a clock that begins at START."""
    return " ".join(NUMBER.sub(lambda found: str(int(found[0]) + START), value) for value in values.split())


def for_vmalert(path: Path) -> dict[str, Any]:
    """Return a file of promtool's tests in the words and the time of vmalert-tool."""
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    content["rule_files"] = [str((path.parent / name).resolve()) for name in content["rule_files"]]
    for test in content["tests"]:
        test["input_series"] = copy.deepcopy(test["input_series"])  # YAML's aliases are one object
        for series in test["input_series"]:
            if MOMENTS.match(series["series"]):
                series["values"] = moved(series["values"])
        expressions = test.pop("promql_expr_test", [])
        test["metricsql_expr_test"] = [one for one in expressions if not one["expr"].endswith(":increase")]
    return content


@pytest.mark.deploy
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_do_in_vmalert_what_their_unit_tests_say(path: Path, tmp_path: Path) -> None:
    """The unit tests pass with vmalert-tool as well."""
    tests = tmp_path / path.name
    tests.write_text(yaml.safe_dump(for_vmalert(path)), "utf-8")
    command = [program("vmalert-tool"), "unittest", "--disableAlertgroupLabel", f"--files={tests}"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
