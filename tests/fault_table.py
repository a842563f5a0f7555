"""Every fault that the tests use, its reason in the error counter, and words that the log line must contain."""

import gzip
from email.utils import formatdate

from tests.faults import (
    CHUNKED,
    EMPTY_MEMBER,
    HALF,
    HTML,
    LISTS,
    MEGABYTE,
    NOT_HTTP,
    OK,
    PAGED,
    QUOTE,
    REFUSED,
    TOO_LARGE,
    WITH_TOTALS,
    Fault,
    answers,
    breaks_off,
    breaks_off_in_gzip,
    claims_another_page,
    drips,
    explodes,
    is_changed_in_gzip,
    is_null_beside_totals,
    lacks_rows,
    lacks_rows_and_totals,
    lists_more,
    lists_the_same,
    packs,
    pours,
    refuses,
    resets,
    result,
    sends,
)

DEEP = 200_000
GZIP_HEADER = EMPTY_MEMBER[:10]
NAMED_HEADER = GZIP_HEADER[:3] + b"\x08" + GZIP_HEADER[4:]  # RFC 1952: a file name follows, and ends with a zero byte
EMPTY_BLOCK = b"\0\0\0\xff\xff"
LISTS_IN_OBJECT = f'{{"total_users": [{"[]," * 1_000_000}[]]}}'
LISTS_IN_RULES = f'[{{"id": "a", "include": [{"[]," * 1_000_000}[]], "policies": [{"[]," * 1_000}[]]}}]'
FAILED_OF_LISTS = f'{{"success": false, "result": [], "result_info": [{"[]," * 1_000_000}[]]}}'
QUOTES = '""' * 500_000
TEST = ["policy_test"]
NOT_JSON = "is not JSON"
UNDOCUMENTED = "is not as documented"

ANSWERS = [
    Fault("400 malformed token", "auth", "check its value", refuses(400, 6003)),
    Fault("400 bad request", "not_found", "check the ids in the configuration", refuses(400, 12130)),
    Fault("400 with an unknown code", "invalid_response", "unexpected response", refuses(400, 1), WITH_TOTALS),
    Fault("401", "auth", "check its value", refuses(401, 10000)),
    Fault("403", "permission", "needs the permission", refuses(403, 10000)),
    Fault("403 HTML", "invalid_response", "a firewall or proxy refused the request", answers(403)),
    Fault("404", "not_found", "check the account id", refuses(404, 7003)),
    Fault("404 no Zero Trust", "not_found", "Zero Trust is not set up", refuses(404, 9999)),
    Fault("408", "timeout", "did not arrive in time", answers(408)),
    Fault("429", "rate_limited", "too many requests", refuses(429, 971)),
    Fault("429 with a short Retry-After", "rate_limited", "too many requests", refuses(429, 971, Retry_After="7")),
    Fault("429 with a huge Retry-After", "rate_limited", "too many requests", refuses(429, 971, Retry_After="9" * 15)),
    Fault(
        "429 with a past Retry-After",
        "rate_limited",
        "too many",
        refuses(429, 971, Retry_After=formatdate(0, usegmt=True)),
    ),
    Fault("429 with a negative Retry-After", "rate_limited", "too many requests", refuses(429, 971, Retry_After="-5")),
    Fault(
        "429 with an invalid Retry-After", "rate_limited", "too many requests", refuses(429, 971, Retry_After="planted")
    ),
    Fault("429 HTML", "rate_limited", "too many requests", answers(429)),
    Fault("500", "server", "a temporary fault at Cloudflare", refuses(500, 1)),
    Fault(
        "503 with a Retry-After of a day",
        "server",
        "a temporary fault at Cloudflare",
        answers(503, Retry_After="86400"),
    ),
    *(
        Fault(f"{status} HTML", "server", f"{status} from /", answers(status))
        for status in (500, 502, 503, 504, *range(520, 527), 599)
    ),
    Fault("204", "invalid_response", "204 from", sends("HTTP/1.1 204 No Content", "", "")),
    Fault("206", "invalid_response", "206 from", answers(206, '{"success": true, "result": []}')),
    Fault("HTML with 200", "invalid_response", NOT_JSON, answers(200)),
    Fault("empty body", "invalid_response", NOT_JSON, answers(200, "")),
    Fault("truncated JSON", "invalid_response", NOT_JSON, answers(200, '{"success": true, "result": [{"id": "')),
    Fault("UTF-16", "invalid_response", NOT_JSON, answers(200, '{"result": []}'.encode("utf-16"))),
    Fault("nested too deeply", "invalid_response", NOT_JSON, result("[" * DEEP + "]" * DEEP)),
    Fault("200,000 unclosed objects", "invalid_response", "more than a page", answers(200, '{"result":' * DEEP)),
    Fault("nested too deeply beside the result", "invalid_response", NOT_JSON, result("[]," + '"x":' + "[" * DEEP)),
    Fault("success: false", "invalid_response", "Cloudflare reports a failure", answers(200, '{"success": false}')),
    Fault("success: false with a code", "permission", "needs the permission", refuses(200, 10000)),
    Fault("errors", "permission", "(code 10000)", answers(200, '{"errors": [{"code": 10000}], "result": []}'), PAGED),
    Fault(
        "errors as an object",
        "invalid_response",
        "reports a failure",
        answers(200, '{"errors": {"a": 1}, "result": []}'),
        PAGED,
    ),
    Fault("a million rows", "invalid_response", "more than a page", result(f"[{'{},' * 1_000_000}{{}}]"), PAGED),
    Fault("an unclosed string", "invalid_response", NOT_JSON, answers(200, f'{"[" * 60}"{QUOTE * 1_900_000}')),
    Fault("an unclosed string in a 403", "invalid_response", "403", answers(403, f'{"[" * 60}"{QUOTE * 30_000}')),
    Fault("result: null", "invalid_response", "has no ", result("null")),
    Fault("null with totals", "invalid_response", "has no ", is_null_beside_totals, LISTS, needs_totals=True),
    Fault("no result", "invalid_response", "has no result", answers(200, '{"success": true}')),
    Fault("result: string", "invalid_response", UNDOCUMENTED, result('"planted"')),
    Fault("result: number", "invalid_response", UNDOCUMENTED, result("17")),
    Fault("an object instead of a list", "invalid_response", UNDOCUMENTED, result("{}"), PAGED),
    Fault("a list instead of an object", "invalid_response", UNDOCUMENTED, result("[]"), ["policy_test"]),
    Fault("rows that are strings", "invalid_response", UNDOCUMENTED, result('["planted"]')),
    Fault("a row of a wrong type", "invalid_response", UNDOCUMENTED, result('[{"id": "1"}, {"id": 5}]')),
    Fault(
        "a string instead of a number",
        "invalid_response",
        UNDOCUMENTED,
        result('{"total_users": "planted"}'),
        ["policy_test"],
    ),
    Fault(
        "101 percent processed",
        "invalid_response",
        UNDOCUMENTED,
        result('{"percent_users_processed": 101}'),
        ["policy_test"],
    ),
    Fault("a negative total", "invalid_response", UNDOCUMENTED, result('{"total_users": -1}'), ["policy_test"]),
    Fault("a list instead of the envelope", "invalid_response", UNDOCUMENTED, answers(200, '["planted"]')),
    Fault("an empty body marked as gzip", "invalid_response", NOT_JSON, answers(200, b"", Content_Encoding="gzip")),
    Fault("HTML marked as gzip", "invalid_response", "cannot decompress", answers(200, HTML, Content_Encoding="gzip")),
    Fault("truncated gzip", "invalid_response", "cannot decompress", breaks_off_in_gzip),
    Fault("corrupt gzip", "invalid_response", "cannot decompress", is_changed_in_gzip),
    Fault("an unrequested encoding", "invalid_response", NOT_JSON, answers(200, HTML, Content_Encoding="br")),
    Fault("200 MB", "invalid_response", TOO_LARGE, pours(OK, f"Content-Length: {200 << 20}", "", "")),
    Fault("200 MB without a length", "invalid_response", TOO_LARGE, pours(OK, "", "")),
    Fault(
        "200 MB in chunks",
        "invalid_response",
        TOO_LARGE,
        pours(OK, CHUNKED, "", "", drop=b"100000\r\n" + MEGABYTE + b"\r\n"),
    ),
    Fault("gzip bomb", "invalid_response", TOO_LARGE, explodes(200)),
    Fault("gzip bomb in a 500", "server", "500 from", explodes(500)),
    Fault(
        "200 MB in a 403",
        "invalid_response",
        "403 from",
        pours("HTTP/1.1 403 Forbidden", f"Content-Length: {200 << 20}", "", ""),
    ),
    Fault("200,000 empty gzip members", "invalid_response", "50 gzip members", packs(EMPTY_MEMBER * 200_000)),
    Fault("empty gzip members in gzip", "invalid_response", "50 gzip", packs(gzip.compress(EMPTY_MEMBER * 200_000), 2)),
    Fault(
        "a gzip bomb in gzip", "invalid_response", "before decompression", packs(gzip.compress(b" " * (200 << 20)), 2)
    ),
    Fault(
        "a million empty gzip blocks",
        "invalid_response",
        "before decompression",
        packs(GZIP_HEADER + EMPTY_BLOCK * 1_000_000),
    ),
    Fault("an endless gzip header", "invalid_response", "before decompression", packs(NAMED_HEADER + b"x" * (5 << 20))),
    Fault("compressed 50 times", "invalid_response", "more than 2 times", packs(EMPTY_MEMBER, 50)),
    Fault("an object of a million lists", "invalid_response", "more than a page", result(LISTS_IN_OBJECT), TEST),
    Fault(
        "rules of a million lists", "invalid_response", "more than a page", result(LISTS_IN_RULES), ["apps", "policies"]
    ),
    Fault("a million lists in invalid JSON", "invalid_response", UNDOCUMENTED, result(f"\x01{'[]' * 1_000_000}")),
    Fault("a million strings in invalid JSON", "invalid_response", NOT_JSON, result(f"\x01{'[' * 60}{QUOTES}")),
    Fault(
        "success: false with a million lists", "invalid_response", UNDOCUMENTED, answers(200, FAILED_OF_LISTS), LISTS
    ),
    Fault("90,000 rows", "invalid_response", "more than a page", result(f"[{'{},' * 90_000}{{}}]"), LISTS),
    Fault(
        "more rows than a page has",
        "invalid_response",
        UNDOCUMENTED,
        result("[" + "[]," * 300_000 + "[]]"),
        WITH_TOTALS,
    ),
    Fault("no rows", "invalid_response", "no rows", lacks_rows(0), LISTS, needs_totals=True),
    Fault(
        "half of the rows",
        "invalid_response",
        "rows but total_count says 6",
        lacks_rows(1),
        WITH_TOTALS,
        needs_totals=True,
    ),
    Fault(
        "missing totals",
        "invalid_response",
        "the list has ",
        lacks_rows_and_totals,
        WITH_TOTALS,
        from_there_on=True,
        needs_totals=True,
    ),
    Fault(
        "a wrong page number",
        "invalid_response",
        ", got page 7",
        claims_another_page,
        WITH_TOTALS,
        needs_totals=True,
    ),
    Fault("new rows without end", "invalid_response", "the list did not end", lists_more, PAGED, from_there_on=True),
    Fault("the same rows without end", "invalid_response", "repeats itself", lists_the_same, PAGED, from_there_on=True),
]

CONNECTIONS = [
    Fault("closed at once", "network", "connection reset", sends()),
    Fault("reset at once", "network", "connection reset", resets()),
    Fault("reset in the headers", "network", "connection reset", resets(OK, "X-Planted: planted")),
    Fault("reset in the body", "network", "connection reset", resets(OK, "Content-Length: 1000", "", "{")),
    Fault("closed in the headers", "network", NOT_HTTP, sends(OK, "X-Planted: planted")),
    Fault("body too short", "network", "the response ended early", breaks_off),
    Fault("a truncated 429", "rate_limited", "retry in 7 s", sends(REFUSED, "Retry-After: 7", *HALF)),
    Fault("a truncated 401", "auth", "check its value", sends("HTTP/1.1 401 Unauthorized", *HALF)),
    Fault("a truncated 503", "server", "503 from", sends("HTTP/1.1 503 Service Unavailable", *HALF)),
    Fault("a 403 with invalid gzip", "permission", "403 from", answers(403, HTML, Content_Encoding="gzip")),
    Fault("no body", "network", "the response ended early", sends(OK, "Content-Length: 100", "", "")),
    Fault("an invalid chunk", "network", NOT_HTTP, sends(OK, CHUNKED, "", "planted", "")),
    Fault("a truncated chunk", "network", NOT_HTTP, sends(OK, CHUNKED, "", "64", '{"result": [')),
    Fault("no last chunk", "network", NOT_HTTP, sends(OK, CHUNKED, "", "2", "{}", "")),
    Fault("a chunk of negative length", "network", NOT_HTTP, sends(OK, CHUNKED, "", "-5", "{}", "0", "", "")),
    Fault("200 MB in a chunk of length -1", "network", NOT_HTTP, pours(OK, CHUNKED, "", "-1", "")),
    Fault(
        "two Content-Length headers",
        "network",
        NOT_HTTP,
        sends(OK, "Content-Length: 2", "Content-Length: 14", "", '{"result": []}'),
    ),
    Fault("not HTTP", "network", NOT_HTTP, sends("planted planted", "planted")),
    Fault("TLS on a plain port", "network", NOT_HTTP, sends("\x15\x03\x01\0\x02\x02\x28")),
    Fault("HTTP version 2.0", "network", NOT_HTTP, sends("HTTP/2.0 200 OK", "", "")),
    Fault("an invalid status", "network", NOT_HTTP, sends("HTTP/1.1 planted OK", "", "")),
    Fault("thousands of headers", "network", NOT_HTTP, sends(OK, *["X-Planted: planted"] * 5000, "", "")),
    Fault("a header of a megabyte", "network", NOT_HTTP, sends(OK, "X: " + "planted " * (1 << 17), "", "")),
    Fault("no data", "timeout", "no complete response", drips()),
    Fault("no more data in the headers", "timeout", "no complete response", drips(OK, "X-Planted: ")),
    Fault("no data after the headers", "timeout", "no complete response", drips(OK, "Content-Length: 100", "", "")),
    Fault("headers byte by byte", "timeout", "no complete response", drips(OK, "X-Planted: ", drop=b"x")),
    Fault("endless headers", "timeout", "no complete response", drips("HTTP/1.1 100 Continue", drop=b"\r\nX: x")),
    Fault("endless 100 Continue", "timeout", "no complete response", drips(drop=b"HTTP/1.1 100 Continue\r\n\r\n")),
    Fault(
        "endless 103 Early Hints", "timeout", "no complete response", drips(drop=b"HTTP/1.1 103 Early Hints\r\n\r\n")
    ),
    Fault("body byte by byte", "timeout", "no complete response", drips(OK, "Content-Length: 9999", "", "", drop=b"x")),
    Fault("chunk by chunk", "timeout", "no complete response", drips(OK, CHUNKED, "", "", drop=b"1\r\nx\r\n")),
    Fault("endless trailers", "timeout", "no complete response", drips(OK, CHUNKED, "", "0", "", drop=b"X: x\r\n")),
]

FAULTS = ANSWERS + CONNECTIONS
