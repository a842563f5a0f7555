"""What comes back from Cloudflare, good and bad, and what is made of it: one reason, one message, no secrets."""

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from requests import PreparedRequest

from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.config.secrets import Secret
from access_exporter.errors import StoppingError
from tests.api_client import (
    HEADERS,
    HTML,
    IDS,
    LOOK,
    POLICY_TEST,
    POLICY_TEST_USERS,
    READ_TESTS,
    READ_USERS,
    USERS,
    VALUE,
    Anything,
    Bench,
    Script,
    good,
    refusal,
    simulator,
    url_of,
)

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestRefusals:
    @pytest.mark.parametrize(
        ("endpoint", "answer", "reason", "words"),
        [
            (USERS, refusal(400, 6003), "auth", [VALUE, "400", "6003"]),
            (USERS, refusal(400, 6111), "auth", [VALUE, "400", "6111"]),
            (USERS, refusal(400, 6003, 6111), "auth", [VALUE, "(code 6003, 6111)"]),
            (USERS, refusal(401), "auth", [VALUE, "401"]),
            (USERS, refusal(401, 10000), "auth", [VALUE, READ_USERS, "10000"]),
            (POLICY_TEST, refusal(401, 10000), "auth", [VALUE, READ_TESTS]),
            (USERS, (401, HEADERS, HTML), "auth", [VALUE]),
            (USERS, refusal(403, 10000), "permission", [READ_USERS, "403", "10000", "on this account"]),
            (USERS, refusal(403, 9109), "permission", [READ_USERS, "9109", VALUE]),
            (USERS, refusal(403), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, HTML), "invalid_response", ["a firewall or proxy refused the request"]),
            (USERS, (403, HEADERS, "Forbidden"), "invalid_response", ["a firewall or proxy"]),
            (USERS, (403, HEADERS, ""), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, b"\xef\xbb\xbf{}"), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, "[]"), "invalid_response", ["a firewall or proxy"]),
            (USERS, refusal(400, 10000), "permission", [READ_USERS]),
            (POLICY_TEST, refusal(403, 10000), "permission", [READ_TESTS]),
            (POLICY_TEST_USERS, refusal(403, 10000), "permission", [READ_TESTS]),
            (USERS, refusal(403, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 7003), "not_found", ["check the account id", "404", "7003"]),
            (USERS, refusal(400, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(400, 7000), "not_found", ["check the account id"]),
            (USERS, refusal(404, 7000, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(403, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(400, 9103), "auth", [VALUE, "9103"]),
            (USERS, refusal(403, 9103), "auth", [VALUE]),
            (USERS, refusal(400, 9106), "auth", [VALUE, "9106"]),
            (POLICY_TEST, refusal(400, 6003), "auth", [VALUE]),
            (POLICY_TEST, refusal(400, 7003), "not_found", ["check the account id"]),
            (USERS, refusal(401, 9109), "auth", [VALUE]),
            (POLICY_TEST, refusal(404), "not_found", [LOOK, "404"]),
            (POLICY_TEST, refusal(404, 12130), "not_found", [LOOK, "12130"]),
            (POLICY_TEST, refusal(400, 12130), "not_found", [LOOK, "400"]),
            (POLICY_TEST, refusal(400), "not_found", [LOOK]),
            (POLICY_TEST_USERS, refusal(400, 1), "not_found", [LOOK]),
            (USERS, refusal(400, 12130), "not_found", [LOOK]),
            (USERS, refusal(400, 1234), "invalid_response", ["400", "1234"]),
            (USERS, refusal(405), "invalid_response", ["405"]),
            (USERS, refusal(410), "invalid_response", ["410"]),
            (USERS, (204, HEADERS, ""), "invalid_response", ["204"]),
            (USERS, (304, HEADERS, ""), "invalid_response", ["304", "does not follow redirects", "check api.url"]),
            (USERS, refusal(429, 971), "rate_limited", ["429", "971", "too many requests"]),
            (USERS, (429, HEADERS, HTML), "rate_limited", ["429"]),
            (USERS, refusal(429, 10000), "rate_limited", ["429"]),
            (USERS, refusal(500, 1), "server", ["500", "temporary fault at Cloudflare"]),
            (USERS, refusal(503, 10000), "server", ["503"]),
            (USERS, (502, HEADERS, HTML), "server", ["502"]),
            (USERS, (520, HEADERS, HTML), "server", ["520"]),
            (USERS, (524, HEADERS, b"\xff\x00"), "server", ["524"]),
            (USERS, refusal(200, 10000), "permission", [READ_USERS, "200"]),
            (USERS, refusal(200, 6003), "auth", [VALUE]),
            (USERS, refusal(200, 9999), "not_found", ["Zero Trust"]),
            (USERS, refusal(200, 1234), "invalid_response", ["200", "1234"]),
            (USERS, refusal(200), "invalid_response", ["200"]),
        ],
    )
    def test_reason_and_message(
        self, mock: responses.RequestsMock, endpoint: Endpoint, answer: Any, reason: str, words: list[str]
    ) -> None:
        """Each refusal has its reason, and a message that names endpoint, permission and next step, and no secret."""
        bench = Bench()
        Script(mock, answer, endpoint=endpoint)
        message = bench.failure(lambda: bench.get(endpoint), reason)
        assert endpoint.place in message
        assert [word for word in words if word not in message] == []

    @pytest.mark.parametrize(
        "errors",
        [
            "null",
            "{}",
            "[]",
            "[null]",
            "[[10000]]",
            '[{"code": null}]',
            '[{"code": "10000"}]',
            '[{"code": true}]',
            '[{"code": -1}]',
            '[{"code": 1000000000000}]',
            '[{"code": 1.5}]',
            '"planted"',
        ],
    )
    def test_odd_errors(self, mock: responses.RequestsMock, errors: str) -> None:
        """Codes that are none are left out of the message."""
        bench = Bench()
        Script(mock, (418, HEADERS, f'{{"success": false, "errors": {errors}}}'))
        assert bench.failure() == f"418 from {POLICY_TEST.place}: unexpected response"

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
            ('{"result": {"planted": [' + "1e308," * 4_000 + "1e308]}}", "more than a page can hold"),
            ('{"result": {"planted": [' + "1.23456789012345678, " * 4_000 + "-1E-308]}}", "more than a page can hold"),
            ('{"result": {"planted": ' + "1" * 2_000 + "}}", "more than a page can hold"),
            (b'{"result": "planted \xff"}', "contains invalid characters"),
            ("17", "is not as documented: expected a mapping, got a whole number"),
            ('{"success": false, "result": {}}', "200 and success: false from"),
            ('{"success": false, "result": "planted"}', "Cloudflare reports a failure"),
        ],
    )
    def test_invalid_answer(self, mock: responses.RequestsMock, body: str | bytes, words: str) -> None:
        """An answer with 200 that is not the envelope with its result is invalid, and not asked for again."""
        bench = Bench()
        script = Script(mock, (200, HEADERS, body))
        message = bench.failure(reason="invalid_response")
        assert words in message
        assert POLICY_TEST.place in message
        assert len(script.requests) == 1

    @pytest.mark.parametrize(
        "number", ["1e308", "1795915756.6796122", "-0.5", "10000000000000001", "0.30000000000000004"]
    )
    def test_some_unusual_numbers(self, mock: responses.RequestsMock, number: str) -> None:
        """A thousand numbers with exponents or many digits are no reason to refuse an answer."""
        Script(mock, (200, HEADERS, '{"success": true, "result": {"planted": [' + f"{number}," * 1_000 + "0]}}"))
        assert Bench().get() is not None

    def test_deeply_nested(self, mock: responses.RequestsMock) -> None:
        """An answer may be nested deeper than Python goes: since 3.14 as deep as the stack."""
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
    def test_place_of_what_is_wrong(self, mock: responses.RequestsMock, row: str, words: str) -> None:
        """What is wrong with an answer is told by its place and in words, not by its value."""
        bench = Bench()
        Script(mock, (200, HEADERS, f'{{"result": [{{"id": "1"}}, {row}]}}'), endpoint=USERS)
        assert bench.failure(bench.rows) == f"the response from /access/users is not as documented: {words}"

    def test_place_of_an_answer(self) -> None:
        """Messages name an endpoint as people know it, not as the code does."""
        places = [endpoint.place for endpoint in (USERS, POLICY_TEST, POLICY_TEST_USERS)]
        assert places == ["/access/users", "/access/policy-tests/ID", "/access/policy-tests/ID/users"]

    def test_result_null_of_a_list(self, mock: responses.RequestsMock) -> None:
        """A list that is null is not an empty list."""
        bench = Bench()
        Script(mock, (200, HEADERS, '{"success": true, "result": null}'), endpoint=USERS)
        assert "has no result" in bench.failure(bench.rows, "invalid_response")

    def test_parts_that_may_be_missing(self, mock: responses.RequestsMock) -> None:
        """A result is a good answer even where the rest of the envelope is missing, null or of another type."""
        bench = Bench()
        Script(mock, (200, {}, '{"result": {}}'), (200, {}, '{"success": null, "errors": 5, "result": {}, "x": []}'))
        assert bench.get() == Anything()
        assert bench.get() == Anything()


class TestRetries:
    @pytest.mark.parametrize(
        ("failure", "code"),
        [
            (refusal(500), "500"),
            (refusal(503), "503"),
            ((520, {}, HTML), "520"),
            (ConnectionResetError("planted"), "network"),
            (requests.ConnectionError("planted"), "network"),
            (requests.exceptions.ChunkedEncodingError("planted"), "network"),
            (requests.ReadTimeout("planted"), "timeout"),
            (requests.ConnectTimeout("planted"), "timeout"),
        ],
    )
    def test_what_may_pass(self, mock: responses.RequestsMock, failure: Any, code: str) -> None:
        """Failures that may pass are tried again after half a second, one and two, each up to half a second later."""
        bench = Bench()
        script = Script(mock, failure, failure, failure, good())
        assert bench.get() == Anything()
        assert len(script.requests) == 4
        assert [0 <= wait - least <= 0.5 for wait, least in zip(bench.clock.slept, (0.5, 1, 2), strict=True)] == [
            True
        ] * 3
        assert bench.codes() == {code: 3, "200": 1}
        assert bench.sample("retries_total", endpoint="policy_test") == 3

    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            (refusal(500), "server"),
            (refusal(429), "rate_limited"),
            (ConnectionResetError("planted"), "network"),
            (requests.ReadTimeout("planted"), "timeout"),
        ],
    )
    def test_what_does_not_pass(self, mock: responses.RequestsMock, failure: Any, reason: str) -> None:
        """After four tries the failure stands."""
        bench = Bench()
        script = Script(mock, failure)
        bench.failure(reason=reason)
        assert len(script.requests) == 4
        assert bench.sample("retries_total", endpoint="policy_test") == 3

    @pytest.mark.parametrize(
        "answer",
        [
            *(refusal(status) for status in (400, 401, 403, 404, 405, 410, 301)),
            (204, {}, ""),
            (200, {}, HTML),
            (200, {}, '{"success": true, "result": 5}'),
            (200, {"Content-Encoding": "gzip"}, "planted"),
            refusal(200, 1),
        ],
    )
    def test_what_will_not_pass(self, mock: responses.RequestsMock, answer: Any) -> None:
        """A refusal or an answer that makes no sense would be the same again, so it is not asked for again."""
        bench = Bench()
        script = Script(mock, answer)
        bench.failure()
        assert len(script.requests) == 1
        assert bench.clock.slept == []
        assert bench.sample("retries_total", endpoint="policy_test") == 0

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("retry_after", "least", "most"),
        [
            ("0", 0.5, 1),
            ("7", 7, 7),
            (" 30 ", 30, 30),
            (formatdate(0, usegmt=True), 0.5, 1),
            (None, 0.5, 1),
            ("", 0.5, 1),
            ("-5", 0.5, 1),
            ("1.5", 1.5, 1.5),
            ("2.5", 2.5, 2.5),
            ("0.1", 0.5, 1),
            ("1e1", 0.5, 1),
            ("inf", 0.5, 1),
            ("nan", 0.5, 1),
            ("soon", 0.5, 1),
            ("9" * 5000, 0.5, 1),
            ("Wed, 21 Oct 99999 07:28:00 GMT", 0.5, 1),
        ],
    )
    def test_retry_after(
        self, mock: responses.RequestsMock, status: int, retry_after: str | None, least: float, most: float
    ) -> None:
        """The wait an answer asks for is kept to; where it makes no sense, it is that of any other failure."""
        bench = Bench()
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        Script(mock, refusal(status, headers=headers), good())
        assert bench.get() == Anything()
        assert least <= sum(bench.clock.slept) <= most + 1e-6

    @pytest.mark.parametrize(
        ("body", "least", "most"),
        [
            ({"retry_after": 9}, 9, 9),
            ({"retry_after": "9"}, 9, 9),
            ({"errors": [{"code": 971, "retry_after": 9.5}]}, 9.5, 9.5),
            ({"retry_after": 0.1}, 0.5, 1),
            ({"retry_after": -9}, 0.5, 1),
            ({"retry_after": True}, 0.5, 1),
            ({"retry_after": [9]}, 0.5, 1),
            ({"retry_after": 1, "errors": [{"retry_after": 4}]}, 4, 4),
        ],
    )
    def test_retry_after_in_the_body(
        self, mock: responses.RequestsMock, body: dict[str, object], least: float, most: float
    ) -> None:
        """A wait may stand in the body, beside a header of 0; it only ever makes the wait longer."""
        bench = Bench()
        Script(mock, (429, {"Retry-After": "0"}, json.dumps(body)), good())
        assert bench.get() == Anything()
        assert least <= sum(bench.clock.slept) <= most + 1e-6

    def test_four_refusals_in_a_row(self, mock: responses.RequestsMock) -> None:
        """A server that asks not to wait at all is not asked four times at once."""
        bench = Bench()
        script = Script(mock, refusal(429, headers={"Retry-After": "0"}))
        bench.failure(reason="rate_limited")
        assert len(script.requests) == 4
        assert sum(bench.clock.slept) >= 0.5 + 1 + 2

    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_date(self, mock: responses.RequestsMock, status: int) -> None:
        """The end of a wait may be a date."""
        bench = Bench()
        bench.clock.now = time.time()
        date = formatdate(time.time() + 20, usegmt=True)
        Script(mock, refusal(status, headers={"Retry-After": date}), good())
        assert bench.get() == Anything()
        assert 15 < sum(bench.clock.slept) <= 20

    @pytest.mark.parametrize("retry_after", ["31", "300", "99999999999", formatdate(253370764800, usegmt=True)])
    @pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (503, "server")])
    def test_long_retry_after(self, mock: responses.RequestsMock, status: int, reason: str, retry_after: str) -> None:
        """A wait of more than half a minute is not waited for: the poll fails and says so."""
        bench = Bench()
        script = Script(mock, refusal(status, headers={"Retry-After": retry_after}))
        seconds = 31 if retry_after == "31" else 300
        assert f"{status} from {POLICY_TEST.place}, retry in {seconds} s: " in bench.failure(reason=reason)
        assert len(script.requests) == 1
        assert bench.clock.slept == []

    def test_waits_add_up(self, mock: responses.RequestsMock) -> None:
        """All waits of a request together take half a minute at most."""
        bench = Bench()
        script = Script(mock, refusal(503, headers={"Retry-After": "12"}))
        bench.failure(reason="server")
        assert len(script.requests) == 3
        assert bench.clock.slept == [12, 12]

    def test_stop(self, mock: responses.RequestsMock) -> None:
        """The wait between two tries ends when the process stops, and so does the poll."""
        bench = Bench()
        Script(mock, refusal(500))
        bench.clock.stop.set()
        with pytest.raises(StoppingError):
            bench.get()

    def test_walk_within(self, mock: responses.RequestsMock) -> None:
        """A walk that takes longer than its numbers may be old is given up."""
        bench = Bench()

        def page(request: PreparedRequest) -> Any:
            bench.clock.now += 400
            return good([{"id": request.url}])

        mock.add_callback("GET", url_of(USERS), page)
        message = bench.failure(bench.rows, "timeout")
        assert message == f"the poll did not reach page 6 of {USERS.place} within 1800 s"


class TestPause:
    def test_pauses_the_credential(self, mock: responses.RequestsMock) -> None:
        """After a 429 nothing leaves with this credential until the wait is over, whoever asks."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 85
        other = bench.another(Secret("the test", "other-secret"))
        assert other.get(POLICY_TEST.of(**IDS), Anything) == Anything()
        assert sum(bench.clock.slept) == pytest.approx(15)

    def test_not_asked(self, mock: responses.RequestsMock) -> None:
        """While a pause lasts for longer than a request would wait, polls fail without a request."""
        bench = Bench()
        script = Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 40
        message = bench.failure(reason="rate_limited")
        assert message == "rate-limit budget exhausted: after a 429 the credential is paused for 60 s more"
        bench.clock.now += 60
        assert bench.get() == Anything()
        assert len(script.requests) == 2

    def test_at_most_five_minutes(self, mock: responses.RequestsMock) -> None:
        """No word of the server pauses a credential for more than five minutes."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "86400"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 300
        assert bench.get() == Anything()
        assert bench.clock.slept == []

    def test_ratelimit_header(self, mock: responses.RequestsMock) -> None:
        """What is left by the Ratelimit header is shown, and made to last."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": '"default";r=3;t=40'}, '{"result": {}}'), good())
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") == 3
        bench.get()
        assert bench.clock.slept == [10]

    @pytest.mark.parametrize("header", ["", "r=", "r=x;t=1", '"default";t=30', "r=99999999999", "r=-1", "planted"])
    def test_odd_ratelimit_header(self, mock: responses.RequestsMock, header: str) -> None:
        """A header nobody can read changes nothing."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": header}, '{"result": {}}'))
        bench.get()
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") is None
        assert bench.clock.slept == []


class TestOnce:
    """What is nice to have is asked for in one request, which waits for nothing."""

    def once(self, bench: Bench) -> Anything:
        """Ask in a single request."""
        return bench.client.get_once(POLICY_TEST.of(**IDS), Anything)

    def test_good(self, mock: responses.RequestsMock) -> None:
        """A good answer is a good answer."""
        Script(mock, good())
        bench = Bench()
        assert self.once(bench) == Anything()
        assert bench.codes() == {"200": 1}

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (refusal(401), "auth"),
            (refusal(403, 10000), "permission"),
            (refusal(404), "not_found"),
            (refusal(429), "rate_limited"),
            (refusal(503), "server"),
            (requests.ConnectionError(), "network"),
            (requests.Timeout(), "timeout"),
            ((200, {}, "<html>"), "invalid_response"),
        ],
    )
    def test_bad(self, mock: responses.RequestsMock, tmp_path: Path, answer: Any, reason: str) -> None:
        """Whatever else comes back ends it, even where there is a new token to try."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, answer)
        path.write_text("secret-new")
        bench.failure(lambda: self.once(bench), reason)
        assert len(script.requests) == 1
        assert bench.sample("retries_total", endpoint="policy_test") == 0
        assert bench.clock.slept == []

    def test_pause(self, mock: responses.RequestsMock) -> None:
        """A 429 pauses the credential for what it asks, and during any pause nothing is sent."""
        script = Script(mock, refusal(429, headers={"Retry-After": "20"}), good())
        bench = Bench()
        bench.failure(lambda: self.once(bench), "rate_limited")
        message = bench.failure(lambda: self.once(bench), "rate_limited")
        assert message == "rate-limit budget exhausted: after a 429 the credential is paused for 20 s more"
        assert (len(script.requests), bench.clock.slept) == (1, [])
        assert bench.get() == Anything()
        assert bench.clock.slept == [20]

    def test_a_limit_without_a_time(self, mock: responses.RequestsMock) -> None:
        """A 429 that does not say how long pauses the credential for as long as before a second try."""
        Script(mock, refusal(429), good())
        bench = Bench()
        bench.failure(lambda: self.once(bench), "rate_limited")
        bench.get()
        (slept,) = bench.clock.slept
        assert 0.5 <= slept <= 1


class TestCredentials:
    def test_token(self, mock: responses.RequestsMock) -> None:
        """A token is sent as bearer token."""
        script = Script(mock, good())
        Bench().get()
        assert script.requests[0].headers["Authorization"] == "Bearer secret-token"

    def test_key(self, mock: responses.RequestsMock) -> None:
        """A global key is sent beside its email, and no Authorization with it."""
        script = Script(mock, good())
        Bench(secret=Secret("the test", "secret-key"), email=Secret("the test", "jane@doe.example")).get()
        sent = script.requests[0].headers
        assert (sent["X-Auth-Email"], sent["X-Auth-Key"]) == ("jane@doe.example", "secret-key")
        assert "Authorization" not in sent

    def test_netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a .netrc says of the host is not sent in place of the token."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login planted password planted\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with simulator() as server:
            assert Bench(server.url).rows() == ["0"]
        assert server.arrivals[0].headers["authorization"] == "Bearer secret-token"

    @pytest.mark.parametrize("refused", [refusal(401), refusal(403, 9109), refusal(403, 10000), refusal(400, 6003)])
    def test_rotation(self, mock: responses.RequestsMock, tmp_path: Path, refused: Any) -> None:
        """A token that was replaced in its file is used at once, and a refusal of the new one stands."""
        path = tmp_path / "token"
        path.write_text("secret-old\n")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, good(), refused, good(), refused)
        bench.get()
        path.write_text("secret-new\n")
        assert bench.get() == Anything()
        bench.failure()
        tokens = [request.headers["Authorization"].removeprefix("Bearer secret-") for request in script.requests]
        assert tokens == ["old", "old", "new", "new"]
        assert bench.sample("retries_total", endpoint="policy_test") == 1

    def test_rotation_once(self, mock: responses.RequestsMock, tmp_path: Path) -> None:
        """A request is sent again for one new token only, however often the file changes."""
        path = tmp_path / "token"
        path.write_text("secret-0")
        bench = Bench(secret=Secret("the file", path=str(path)))
        used = []

        def refuse(request: PreparedRequest) -> Any:
            used.append(request.headers["Authorization"])
            path.write_text(f"secret-{len(used)}")
            return refusal(401)

        mock.add_callback("GET", url_of(POLICY_TEST), refuse)
        bench.failure(reason="auth")
        assert used == ["Bearer secret-0", "Bearer secret-1"]

    @pytest.mark.parametrize("content", [None, "", "two words", "secret-old"])
    def test_no_rotation(self, mock: responses.RequestsMock, tmp_path: Path, content: str | None) -> None:
        """A refusal stands where the file is gone, empty, unusable or as before."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, refusal(401))
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        bench.failure(reason="auth")
        assert len(script.requests) == 1
