"""Responses with status 200 that the exporter cannot use, and the error for each."""

import pytest
import responses

from tests.api_client import HEADERS, HTML, POLICY_TEST, USERS, Anything, Bench, Script

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestInvalid:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (HTML, "is not JSON"),
            ("", "is not JSON"),
            ("null", "is not JSON"),
            ("planted", "is not JSON"),
            ('{"success": true, "result": {"name": "planted"', "is not JSON"),
            ('{"success": true, "result": {}} planted', "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ('{"planted":' * 300_000 + "1" + "}" * 300_000, "more than a page can hold"),
            ('{"success": true, "planted": ' + "[" * 300_000 + "]" * 300_000 + "}", "more than a page can hold"),
            ('{"success": true, "planted": [' + "17," * 400_001 + "17]}", "more than a page can hold"),
            (b"\xff\xfe{\x00}\x00", "is not JSON"),
            ("{}", "has no result"),
            ('{"success": true, "errors": [], "messages": []}', "has no result"),
            ('{"success": true, "result": null}', "has no result"),
            ('{"success": true, "result": ""}', "is not as documented: result: expected a mapping, got a string"),
            ('{"success": true, "result": []}', "is not as documented: result: expected a mapping, got a list"),
            ('{"success": true, "result": ["planted"]}', "is not as documented: result: expected a mapping"),
            ('{"success": true, "result": "planted"}', "is not as documented: result: expected a mapping"),
            ('{"success": "planted", "result": {}}', "documented: success: expected true or false, got a string"),
            ('["planted"]', "is not as documented: expected a mapping, got a list"),
            ('"planted"', "is not as documented: expected a mapping, got a string"),
            ('{"result": [' + "[]," * 60_000 + "[]]}", "is not as documented: more than a page can hold"),
            ('{"result": [' + "{}," * 200_000 + "{}]}", "is not as documented: more than a page can hold"),
            ('{"result": {"planted": [' + "1e308," * 5_000 + "1]}}", "more than a page can hold"),
            ('{"result": {"planted": [' + "1.23456789012345678, -1E-9, " * 2_500 + "1]}}", "more than a page can hold"),
            ('{"result": {"planted": ' + "1" * 2_000 + "}}", "more than a page can hold"),
            (b'{"result": "planted \xff"}', "contains invalid characters"),
            ("17", "is not as documented: expected a mapping, got a whole number"),
            ('{"success": false, "result": {}}', "200 and success: false from"),
            ('{"success": false, "result": "planted"}', "Cloudflare reports a failure"),
        ],
    )
    def test_invalid_response(self, mock: responses.RequestsMock, body: str | bytes, words: str) -> None:
        """A response with status 200 but without a valid envelope and result fails at once, without a retry."""
        bench = Bench()
        script = Script(mock, (200, HEADERS, body))
        message = bench.failure(reason="invalid_response")
        assert words in message
        assert POLICY_TEST.place in message
        assert len(script.requests) == 1

    @pytest.mark.parametrize("number", ["1e308", "1795915756.6796122", "-0.5", "0.30000000000000004"])
    def test_some_unusual_numbers(self, mock: responses.RequestsMock, number: str) -> None:
        """A response may have a thousand numbers with exponents or many digits."""
        Script(mock, (200, HEADERS, '{"success": true, "result": {"planted": [' + f"{number}," * 1_000 + "0]}}"))
        assert Bench().get() is not None

    def test_deeply_nested(self, mock: responses.RequestsMock) -> None:
        """A response with JSON nested more deeply than Python allows is an invalid response, not a crash."""
        # Since Python 3.14, the stack is the only limit for nested JSON.
        Script(mock, (200, HEADERS, '{"success": true, "planted": ' + "[" * 200_000 + "]" * 200_000 + "}"))
        message = Bench().failure(reason="invalid_response")
        assert message.endswith(("is not JSON", "has no result"))

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ('{"id": 5, "access_seat": "planted"}', "result[1].id: expected a string, got a whole number"),
            ('{"id": ["planted"]}', "result[1].id: expected a string, got a list"),
            ("[]", "result[1]: expected a mapping, got a list"),
            ('"planted"', "result[1]: expected a mapping, got a string"),
        ],
    )
    def test_error_names_the_field(self, mock: responses.RequestsMock, row: str, words: str) -> None:
        """The error for a field of a wrong type names the field and both types, but not the value."""
        bench = Bench()
        Script(mock, (200, HEADERS, f'{{"result": [{{"id": "1"}}, {row}]}}'), endpoint=USERS)
        assert bench.failure(bench.rows) == f"the response from /access/users is not as documented: {words}"

    def test_null_instead_of_a_list(self, mock: responses.RequestsMock) -> None:
        """A list response with null as its result is an error, not an empty list."""
        bench = Bench()
        Script(mock, (200, HEADERS, '{"success": true, "result": null}'), endpoint=USERS)
        assert "has no result" in bench.failure(bench.rows, "invalid_response")

    def test_incomplete_envelope(self, mock: responses.RequestsMock) -> None:
        """A response with a valid result is good, even if the rest of its envelope is missing or invalid."""
        bench = Bench()
        Script(mock, (200, {}, '{"result": {}}'), (200, {}, '{"success": null, "errors": 5, "result": {}, "x": []}'))
        assert bench.get() == Anything()
        assert bench.get() == Anything()
