"""The file of `--test-policy`: valid content, and error messages."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.checking import COM, STAFF_ID, Check, allow, email

YAML = """
# A comment
- name: "Staff"
  decision: allow
  include:
    - email_domain: {domain: example.com}
  session_duration: 24h
- 5af0
"""
MEANT = [allow(COM, name="Staff", session_duration="24h"), STAFF_ID]


def yaml(value: str) -> str:
    """Return a file with this value in a rule."""
    return f"name: Draft\ndecision: allow\ninclude:\n- geo: {{country_code: {value}}}\n"


class TestContent:
    @pytest.mark.parametrize(
        "text",
        [
            YAML,
            json.dumps(MEANT),
            json.dumps(MEANT, indent="\t"),
            "\ufeff" + json.dumps(MEANT),
            YAML.replace("\n", "\r\n"),
            f"---{YAML}",
        ],
    )
    def test_a_list(self, check: Check, text: str) -> None:
        """A list of policy objects and ids may be YAML or JSON, with any indentation."""
        assert check(text).code == 0
        assert check.posted == [{"policies": MEANT}]

    @pytest.mark.parametrize(
        "form", [json.dumps, lambda policy: f"name: Draft\ndecision: allow\ninclude: {policy['include']}"]
    )
    def test_an_object(self, check: Check, form: Any) -> None:
        """The file may hold a single policy object."""
        assert check(form(allow(COM))).code == 0
        assert check.posted == [{"policies": [allow(COM)]}]

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("NO", "NO"),
            ("no", "no"),
            ("on", "on"),
            ("2026-01-31", "2026-01-31"),
            ("12:30", "12:30"),
            ("010", "010"),
            ("0x10", "0x10"),
            ("1_000", "1_000"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            (".inf", ".inf"),
            ("'5'", "5"),
            ("5", 5),
            ("-1.5e3", -1500.0),
            ("true", True),
            ("null", None),
            ("~", None),
            ("", None),
        ],
    )
    def test_plain_words(self, check: Check, written: str, meant: object) -> None:
        """A YAML value means the same as in JSON, or else it is a string: `NO` is not false, and a date is a string."""
        check(yaml(written))
        (sent,) = check.posted
        assert sent["policies"][0]["include"] == [{"geo": {"country_code": meant}}]

    def test_standard_input(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """With `-` the command reads standard input."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(YAML.encode())))
        assert check.run("--test-policy=-").code == 0
        assert check.posted == [{"policies": MEANT}]

    def test_a_closed_standard_input(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """If standard input is closed, the error says that a policy is missing."""
        monkeypatch.setattr(sys, "stdin", None)
        code, out, err = check.run("--test-policy=-")
        assert (code, out, check.posted) == (1, "", [])
        assert err.startswith("cloudflare-access-exporter: standard input: expected a policy object")


class TestErrors:
    @pytest.mark.parametrize(
        ("policies", "problem"),
        [
            ({"decision": "allow"}, "required, but missing: `name`, `include`"),
            ([{}], "policies[0]: required, but missing: `name`, `decision`, `include`"),
            ({"name": None, "decision": "allow", "include": []}, "required, but missing: `name`"),
            (
                [STAFF_ID, {"name": "a", "include": []}, allow(COM), {"name": "b"}],
                "policies[1]: required, but missing: `decision`; "
                "policies[3]: required, but missing: `decision`, `include`",
            ),
            (
                [{"decision": "allow", "name": 5, "require": {}}, 7],
                "policies[0]: required, but missing: `include`; policies[0]: `name`: expected a string; "
                "policies[0]: `require`: expected a list; "
                "policies[1]: expected a policy object, or the id of a reusable policy as a string",
            ),
            ({"name": "a", "decision": "allow", "include": email("ann")}, "`include`: expected a list"),
            ([" "], "policies[0]: expected a policy object, or the id of a reusable policy as a string"),
            ([[STAFF_ID]], "policies[0]: expected a policy object, or the id of a reusable policy as a string"),
            *(
                (nothing, "expected a policy object, or a list of policy objects and ids of reusable policies")
                for nothing in ("[]", "{}", "", "# nothing\n", "5af0", "5", "null", '"5af0"')
            ),
            ("name: [", "line 1: expected valid YAML: "),
            ('{"name": "ann", "name": "bob"}', "duplicate key in an object"),
            ("name: ann\nname: bob", "line 2: duplicate key"),
            ("name: !!python/name:os.system ann", "line 1: expected no tag"),
            ("name: !!timestamp 2026-01-31", "expected only values of JSON"),
            ('{"name": "a", "decision": "allow", "include": [{"x": 1e999}]}', "expected only values of JSON"),
            ("name: a\n---\nname: b", "line 2: expected valid YAML: "),
            ("[" * 100_000, "expected at most 50 levels of nesting"),
        ],
    )
    def test_one_error(self, check: Check, policies: object, problem: str) -> None:
        """One line lists all missing and wrong fields, without their values, before a test starts."""
        code, out, err = check(policies, "--compare-with=Wiki")
        assert (code, out, list(check.server.arrivals)) == (1, "", [])
        (line,) = err.splitlines()
        prefix = f"cloudflare-access-exporter: {check.file}: "
        assert line.startswith(prefix)
        assert problem in line
        assert "ann" not in line.removeprefix(prefix)

    @pytest.mark.parametrize(
        ("path", "problem"),
        [("missing.yaml", "No such file or directory"), (".", "Is a directory"), ("", "No such file or directory")],
    )
    def test_unreadable(
        self, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, problem: str
    ) -> None:
        """A file that cannot be read is an error."""
        monkeypatch.chdir(tmp_path)
        code, out, err = check.run(f"--test-policy={path}")
        assert (code, out) == (1, "")
        assert err == f"cloudflare-access-exporter: {path}: cannot be read: {problem}\n"
        assert not check.server.arrivals

    def test_bytes_that_are_no_text(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that is not UTF-8 is an error that names the line."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"name: a\nname: \xff")))
        assert "standard input: line 2: expected UTF-8 text" in check.run("--test-policy=-").err
