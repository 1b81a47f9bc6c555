"""The whole surface under values that nobody should send: each is taken or refused clearly, in time, and nothing comes back unescaped."""

import itertools
import json
import re
import socket
import urllib.parse
import zlib

import pytest

from harness import ROOT, Server

PATTERNS = sorted({(m, p.replace("...}", "}")) for m, p in re.findall(r'\{HTTP_([A-Z]+), "([^"]+)"', (ROOT / "server/route_table.c").read_text())})
READS = [p for m, p in PATTERNS if m == "GET" and p != "/{path}"]
BODIES = [(m, p) for m, p in PATTERNS if m in ("POST", "PUT", "PATCH") and "files" not in p]
IDS = ["0", "x" * 300, "%00", "%0a", "%0d%0aX-Evil:1", "..", "%2e%2e", "{id}", "%7B00000000-0000-4000-8000-000000000000%7D", "null",
       "00000000-0000-4000-8000-000000000000%20", "00000000-0000-4000-8000-00000000000g", "00000000000040008000000000000000", "%F0%9F%90%8D", "%ff%fe", "a/b",
       "%22%3Cscript%3E", "*", "-1", "00000000-0000-4000-8000-000000000000"]
REFUSED = range(400, 500)


@pytest.fixture(scope="module")
def server(workplace):
    """One of its own: much is made here."""
    with Server(workplace / "surface", env={"SANDBOX_PROFILE": "open"}) as server:
        yield server


@pytest.fixture(autouse=True)
def unharmed(request):
    server = request.getfixturevalue("server")
    pid = server.server_pid()
    yield
    server.client.expect(200, "DELETE", "/api/v1/admin/drain")  # one of the routes begins it
    assert server.server_pid() == pid and server.client.get("/ready").status == 200
    if server.client.health()["sessions"]["active"] > 300:
        keep = request.getfixturevalue("ids")["session"]
        while others := [s["id"] for s in server.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"] if s["id"] != keep]:
            for id in others:
                server.client.delete_session(id)


@pytest.fixture(scope="module")
def ids(server):
    client, session = server.client, server.client.session()
    done = client.execute("value = [1, 2, 3]\nopen('file.txt', 'w').write('0123456789')\nimport matplotlib.pyplot as plt\nplt.plot([1]); plt.show()", session)
    assert done["success"], done
    plot = client.expect(200, "GET", f"/api/v1/sessions/{session}/plots")["plots"][0]["id"]
    return {"session": session, "execution": done["executionId"], "name": "value", "path": "file.txt", "plotId": plot, "jobId": done["executionId"]}


def filled(pattern, ids):
    """The path of a pattern with parameters that mean something."""
    def value(match):
        if match[1] == "id":
            return ids["execution"] if "/execut" in pattern or "/sandbox" in pattern else ids["session"]
        return ids.get(match[1], ids["session"])

    return re.sub(r"\{(\w+)\}", value, pattern)


def clear(answer):
    """A refusal as all are: JSON with its words, and nothing of the request in a header."""
    # 502 with these words is how E2B's wire says that there is no such sandbox.
    assert answer.status < 500 or answer.status in (501, 505) or (answer.status == 502 and answer.json.get("message", "").endswith("is not running")), answer
    assert "x-evil" not in answer.headers, answer.headers
    if answer.status >= 400:
        assert answer.headers["content-type"].startswith(("application/json", "application/problem+json")), answer
        body = answer.json
        if "detail" not in body and "output" not in body:  # the shapes of other systems' errors
            error = body.get("error")
            assert isinstance(body.get("message", error.get("message") if isinstance(error, dict) else error), str), answer
    return answer


@pytest.mark.parametrize("pattern", READS)
def test_head_is_get_without_its_body(client, ids, pattern):
    if pattern.endswith("/events"):
        pytest.skip("a stream has no length")
    path = filled(pattern, ids)
    got, head = client.get(path), client.request("HEAD", path)
    assert head.status == got.status and head.body == b""
    changing = {"date", "x-request-id", "content-length", "etag"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {k: v for k, v in got.headers.items() if k not in changing}
    assert ("content-length" in head.headers) == ("content-length" in got.headers)


@pytest.mark.parametrize("pattern", sorted({p for _, p in PATTERNS if p != "/{path}"}))
def test_options_tell_the_methods_and_no_foreign_page_gets_leave(client, ids, pattern):
    answer = client.request("OPTIONS", filled(pattern, ids), headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert answer.status == 204 and answer.body == b""
    assert {m for m, p in PATTERNS if p == pattern} <= set(answer.headers["allow"].replace(" ", "").split(","))
    assert not any(name.startswith("access-control-allow") for name in answer.headers)


@pytest.mark.parametrize("method, pattern", [(m, p) for m, p in PATTERNS if "{" in p and p != "/{path}"])
def test_ids_that_are_none(client, method, pattern):
    for given in IDS:
        path = re.sub(r"\{\w+\}", lambda _: given, pattern)
        answer = clear(client.request(method, path, b"" if method in ("POST", "PUT", "PATCH") else None, headers={"Content-Type": "application/json"}))
        assert answer.status in (*REFUSED, 502) or (method, answer.status) == ("GET", 200), (path, answer)


VALUES = [None, True, False, 0, -1, 1.5, 1e308, 10**18, "", " ", "0x10", " 5", "5 ", "1e3", "٣", "NaN", "\u2028", "a\u0000b", "\U0001f40d" * 50, "x" * 70_000, [], [[]], {},
          {"": ""}, {"a": {"a": {}}}, {"__proto__": 1}, {"\u0000": 1}, {"é": 1}, ["x"] * 2000, {"constructor": None}]
# Where all of them are tried.
WHOLE = ("/api/v1/sessions", "/api/v1/executions/{id}/input")
FIELDS = ["code", "sessionId", "timeout", "packages", "variables", "allowNetworking", "maxMemory", "maxCpu", "files", "envVars", "stdin", "onDisconnect", "transactional",
          "includeVariables", "queue", "metadata", "policy", "resources", "idleTimeout", "text", "strict", "includeWarnings", "count", "name", "candidates", "keep", "checkpointId"]


@pytest.mark.parametrize("method, pattern", BODIES)
def test_every_field_with_every_kind_of_value(client, ids, method, pattern):
    code = {} if pattern.endswith("/variables") else {"code": "1"}
    tried = list(itertools.product(FIELDS, VALUES))
    if pattern not in WHOLE:  # a part of them, another one for each
        tried = tried[zlib.crc32((method + pattern).encode()) % 17::17]
    for field, value in tried:
        if field == "code" and isinstance(value, str) and "\0" not in value and len(value) < 1000:
            continue  # that is a program
        clear(client.request(method, filled(pattern, ids), {**code, "timeout": 2000, field: value}))


RAW = [b"", b" ", b"{}", b"[]", b"1", b"null", b'"x"', b"{", b'{"code":"1"}x', b'{"code":"1","code":"2"}', b'\xef\xbb\xbf{"code":"1"}', b'{"code":"\xff"}', b'{"code":"\\ud800"}', b'{"code":"\\udc00\\ud800"}',
       b'{"timeout":1e999}', b'{"timeout":-0}', b'{"timeout":NaN}', b'{"timeout":01}', b'{"timeout":' + b"9" * 5000 + b"}", b'{"a":' * 63 + b"1" + b"}" * 63, b'{"a":' * 65 + b"1" + b"}" * 65,
       b'{"a":[' * 5000, b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}", b'{"' + b"k" * 500_000 + b'":1}', b"{\x00}", b"{'code':'1'}", b'{"code":"1"}\x00', b'{"code" "1"}', b"\x1f\x8b\x08\x00"]


@pytest.mark.parametrize("method, pattern", BODIES)
def test_bodies_that_are_no_objects(client, ids, method, pattern):
    for body in RAW:
        clear(client.request(method, filled(pattern, ids), body, headers={"Content-Type": "application/json"}))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json-patch", "", "application/json; charset=utf-16", "multipart/form-data"):
        answer = clear(client.request(method, filled(pattern, ids), b'{"code":"1"}', headers={"Content-Type": kind}))
        assert answer.status in (400, 415) or kind.startswith("application/json;") or not pattern.startswith("/api/v1/"), (kind, answer)


QUERIES = ["", "&&&", "=", "%", "%zz", "a" * 4000, "limit=1&limit=2", "limit=", "limit=+5", "limit=%35", "limit=5%00", "offset=9999999999999999999", "offset=-0", "offset=1e2", "depth=33",
           "path=%00", "path=../..", "path=%2e%2e%2f", "path=" + "a/" * 600, "format=", "format=JSON", "format=%0d%0aX-Evil:1", "sortBy=id;drop", "after=" + "f" * 199, "after=%ff", "recursive=1",
           "search=" + "%25" * 100, "category=%00", "installed=perhaps", "?" * 50]


@pytest.mark.parametrize("pattern", READS)
def test_queries(client, ids, pattern):
    if pattern.endswith("/events"):
        ids = {**ids, "execution": client.execute("1")["executionId"]}
    for query in QUERIES:
        clear(client.get(f"{filled(pattern, ids)}?{query}"))


RANGES = ["bytes=0-0", "bytes=-1", "bytes=9-", "bytes=10-", "bytes=5-4", "bytes=0-99999999999999999999", "bytes=99999999999999999999-", "bytes=-0", "bytes=-99999999999999999999", "bytes=", "bytes=-", "bytes=a-b",
          "bytes=0-1,2-3", "lines=1-2", "bytes = 1-2", "bytes=1-2,", "bytes=--1", "BYTES=1-2", "bytes=1-2;x", "bytes=0-" + "9" * 3000]


def test_ranges(client, ids):
    path = f"/api/v1/sessions/{ids['session']}/files/file.txt"
    for given in RANGES:
        answer = clear(client.get(path, headers={"Range": given}))
        assert answer.status in (200, 206, 416), (given, answer)
        if answer.status == 206:
            first, last, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.headers["content-range"]).groups())
            assert answer.body == b"0123456789"[first:last + 1] and size == 10, given
        elif answer.status == 200:
            assert answer.body == b"0123456789", given


NAMES = ["a b", "\u202e", "é", "a'b\"c", "a\\b", "-rf", "~", "%41", "CON", "a\tb", "x" * 255, "\U0001f40d", "a;b", "<img src=x>", "\u0301", "\x7f", "a\r\nX-Evil: 1", "a\nb"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_come_back_as_they_were_and_in_no_header_raw(client, ids, name):
    base = f"/api/v1/sessions/{ids['session']}/files"
    quoted = urllib.parse.quote(name, safe="")
    put = clear(client.request("PUT", f"{base}/{quoted}", b"x", headers={"Content-Type": "application/octet-stream"}))
    assert put.status in (201, 400, 422), put
    if put.status == 201:
        assert name in [e["name"] for e in client.expect(200, "GET", base)["entries"]]
        got = clear(client.get(f"{base}/{quoted}"))
        assert got.body == b"x" and urllib.parse.quote(name, safe="-._~") in got.headers["content-disposition"]
        assert "\n" not in got.headers["content-disposition"] and client.delete(f"{base}/{quoted}").status == 200


@pytest.mark.parametrize("value", ["a" * 64, "a" * 65, "a b", "<x>", "é".encode().decode("latin-1"), "", "\t", "a,b", '"'])
def test_request_ids_come_back_clean(client, value):
    given = client.get("/ready", headers={"X-Request-Id": value}).headers["x-request-id"]
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,64}", given), given


def exchange(client, data):
    with client.socket() as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        got = b""
        while piece := s.recv(65536):
            got += piece
        return got


@pytest.mark.parametrize("name", [b"Accept", b"Accept-Encoding", b"Authorization", b"X-API-Key", b"Cookie", b"If-None-Match", b"Last-Event-ID", b"Origin", b"Referer", b"Range", b"If-Modified-Since", b"Expect", b"Upgrade"])
def test_header_values(client, name):
    for value in (b"", b"\xff\xfe", b",,,,", b";q=", b"a" * 6000, b'"' * 100, b"*/*;q=abc", b"\t \t", b"Bearer", b"Bearer \xf0\x9f\x90\x8d"):
        got = exchange(client, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + name + b": " + value + b"\r\n\r\n")
        status = int(got.split(b" ", 2)[1])
        assert status == 200 or status in REFUSED, (name, value, got[:200])
        if status != 200:
            json.loads(got.partition(b"\r\n\r\n")[2])
