"""vmalert evaluates the rules as Prometheus does: vmalert-tool runs the unit tests of the rules, with two changes.

The clock of vmalert-tool starts in 2000 instead of 1970, so these tests shift timestamps by 30 years. Its function
`increase` does not extrapolate, so these tests leave out the expected values of `increase`.
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

START = 946_684_800  # 2000-01-01, the start of vmalert-tool's clock
MOMENTS = re.compile(r"^\w+_(timestamp|start_time)_seconds\b")
NUMBER = re.compile(r"^\d+")


def moved(values: str) -> str:
    """Return the timestamps of a series, shifted by START seconds."""
    return " ".join(NUMBER.sub(lambda found: str(int(found[0]) + START), value) for value in values.split())


def for_vmalert(path: Path) -> dict[str, Any]:
    """Return a test file of promtool, converted to the format and clock of vmalert-tool."""
    content: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    content["rule_files"] = [str((path.parent / name).resolve()) for name in content["rule_files"]]
    for test in content["tests"]:
        test["input_series"] = copy.deepcopy(test["input_series"])  # YAML aliases share one object
        for series in test["input_series"]:
            if MOMENTS.match(series["series"]):
                series["values"] = moved(series["values"])
        expressions = test.pop("promql_expr_test", [])
        test["metricsql_expr_test"] = [one for one in expressions if not one["expr"].endswith(":increase")]
    return content


@pytest.mark.deploy
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.name)
def test_rules_pass_their_unit_tests_in_vmalert(path: Path, tmp_path: Path) -> None:
    """The unit tests of the rules pass with vmalert-tool."""
    tests = tmp_path / path.name
    tests.write_text(yaml.safe_dump(for_vmalert(path)), "utf-8")
    command = [program("vmalert-tool"), "unittest", "--disableAlertgroupLabel", f"--files={tests}"]
    tested = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
