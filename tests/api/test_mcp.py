"""The Model Context Protocol at /mcp, as bytes: what clients that keep to it never send. What they do send is in tests/clients/test_mcp.py."""

import itertools
import json
import os
import signal

import jsonschema
import pytest

from harness import Server, retry, until, write_policies
from harness.index import Index
from harness.lines import json_lines

BOTH = {"Accept": "application/json, text/event-stream"}
VERSIONS = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
STATELESS = VERSIONS[0]


class Mcp:
    """One client; without stream=True it takes JSON alone."""

    def __init__(self, client, key=None):
        self.client, self.session, self.ids = client, None, itertools.count(1)
        self.key = {"Authorization": f"Bearer {key}"} if key else {}

    def headers(self, more=()):
        return {**self.key, **({"Mcp-Session-Id": self.session} if self.session else {}), **dict(more)}

    def post(self, body, headers=()):
        return self.client.request("POST", "/mcp", body, headers=self.headers(headers))

    def message(self, method, params=None, id=None, **more):
        return {"jsonrpc": "2.0", "id": next(self.ids) if id is None else id, "method": method, **({"params": params} if params is not None else {}), **more}

    def ask(self, method, params=None, headers=(), **more):
        return self.post(self.message(method, params, **more), headers)

    def initialize(self, version="2025-11-25", query="", headers=()):
        answer = self.client.request("POST", f"/mcp{query}", self.message("initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}),
                                     headers={**self.key, **dict(headers)})
        if answer.status == 200:
            self.session = answer.headers["mcp-session-id"]
        return answer

    def call(self, name, /, **arguments):
        answer = self.ask("tools/call", {"name": name, "arguments": arguments})
        assert answer.status == 200, answer
        return answer.json["result"]

    def text(self, name, /, **arguments):
        result = self.call(name, **arguments)
        assert not result.get("isError"), result
        return result["content"][0]["text"]

    def stream(self, name, id=None, token=None, headers=(), **arguments):
        """A tools/call whose answer is a stream."""
        params = {"name": name, "arguments": arguments, **({"_meta": {"progressToken": token}} if token is not None else {})}
        return self.client.open_stream("POST", "/mcp", self.message("tools/call", params, id=id), self.headers({**BOTH, **dict(headers)}))

    def resume(self, last):
        return self.client.open_stream("GET", "/mcp", None, self.headers({"Last-Event-ID": last}))


@pytest.fixture
def mcp(client):
    mcp = Mcp(client)
    assert mcp.initialize().status == 200
    yield mcp
    client.request("DELETE", "/mcp", headers=mcp.headers())


def upto(stream, wanted):
    """The events up to the first one that is wanted."""
    seen = []
    for event in stream:
        seen.append(event)
        if wanted(event):
            return seen
    raise AssertionError(f"the stream ended without it: {[e.text[:120] for e in seen]}")


def stateless(mcp, method, params=None, headers=(), version=STATELESS):
    params = {**(params or {}), "_meta": {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}}
    named = {"Mcp-Name": params["name"]} if "name" in params else {}
    return mcp.ask(method, params, {"MCP-Protocol-Version": version, "Mcp-Method": method, **named, **dict(headers)})


def code_of(answer, status):
    assert answer.status == status and answer.json["jsonrpc"] == "2.0", answer
    return answer.json["error"]["code"]


# ---- the handshake, and the session ----

@pytest.mark.parametrize("wanted,given", [(v, v) for v in VERSIONS[1:]] + [(STATELESS, "2025-11-25"), ("2099-01-01", "2025-11-25"), ("1", "2025-11-25")])
def test_versions(client, wanted, given):
    mcp = Mcp(client)
    answer = mcp.initialize(wanted)
    assert answer.json["result"]["protocolVersion"] == given and answer.json["result"]["serverInfo"]["name"] == "penny-sandbox" and answer.json["result"]["instructions"]
    assert mcp.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
    assert mcp.ask("ping", headers={"MCP-Protocol-Version": given}).json["result"] == {}
    assert client.request("DELETE", "/mcp", headers=mcp.headers()).status == 204


def test_a_session_of_mcp_is_one_of_ours(mcp, client):
    mcp.call("run_code", code="x = 1")
    session = client.expect(200, "GET", f"/api/v1/sessions/{mcp.session}")
    assert session["metadata"]["mcp"] == {"protocolVersion": "2025-11-25", "client": {"name": "test", "version": "1"}}
    assert client.stdout("print(x)", mcp.session) == "1\n"


def test_the_profile_is_chosen_by_the_url(standard_server):
    client = standard_server.client
    refused, permitted = Mcp(client), Mcp(client)
    assert refused.initialize().status == permitted.initialize(query="?profile=open").status == 200
    assert refused.call("run_code", code="import ctypes")["structuredContent"]["status"] == "rejected" and permitted.text("run_code", code="import ctypes; 7") == "7"
    assert code_of(Mcp(client).initialize(query="?profile=none"), 403) == -32000


def test_the_end_of_a_session(client):
    mcp = Mcp(client)
    mcp.initialize()
    with client.open_stream("GET", "/mcp", None, mcp.headers()) as listening:
        assert listening.status == 200 and listening.response.getheader("Content-Type") == "text/event-stream"
        assert client.request("DELETE", "/mcp", headers=mcp.headers()).status == 204
        assert list(listening) == []  # it ends
    for answer in (mcp.ask("ping"), client.request("DELETE", "/mcp", headers=mcp.headers()), client.request("GET", "/mcp", headers=mcp.headers())):
        assert code_of(answer, 404) == -32001
    assert client.request("GET", f"/api/v1/sessions/{mcp.session}").status == 410


@pytest.mark.parametrize("session", ["none", "00000000-0000-4000-8000-000000000000", "a" * 3000, "\u00ff"])
def test_a_session_that_there_is_not(client, session):
    mcp = Mcp(client)
    mcp.session = session
    assert code_of(mcp.ask("tools/list"), 404) == -32001
    assert code_of(client.request("DELETE", "/mcp", headers=mcp.headers()), 404) == -32001


def test_a_session_of_ours_is_none_of_mcp(client, session):
    mcp = Mcp(client)
    mcp.session = session
    assert code_of(mcp.ask("tools/list"), 404) == -32001


def test_no_session(client):
    for method in ("tools/list", "ping", "tools/call", "server/discover", "nothing"):
        assert code_of(Mcp(client).ask(method), 400) == -32000
    for method in ("GET", "DELETE"):
        assert code_of(client.request(method, "/mcp"), 400) == -32000


ALICE, BOB = "key-of-alice-0123456789", "key-of-bob-0123456789"


@pytest.fixture(scope="module")
def keyed(workplace):
    index = Index()
    index.add("penny-tool", "1.0")
    policies = write_policies(workplace, packages={"packages": [{"name": "penny-tool", "versions": "", "category": "utility", "description": "A test", "reason": "a test"}]})
    env = {**index.env, "SANDBOX_POLICY_DIR": policies, "SANDBOX_API_KEYS": f"alice:{ALICE},bob:{BOB}"}
    try:
        with Server(workplace / "mcp", env=env, args=[f"--audit-log={workplace / 'mcp-audit.log'}"]) as server:
            server.audit = workplace / "mcp-audit.log"
            yield server
    finally:
        index.close()


def test_packages(keyed):
    mcp = Mcp(keyed.client, BOB)
    mcp.initialize()
    assert mcp.call("install_packages", packages=["penny-tool==1.0"])["structuredContent"]["installed"] == ["penny-tool==1.0"]
    assert mcp.call("run_code", code="import penny_tool")["structuredContent"]["success"]
    failed = mcp.call("install_packages", packages=["penny-tool==7.0"])
    assert failed["isError"] and failed["structuredContent"]["failed"][0]["package"].startswith("penny-tool"), failed
    refused = mcp.call("install_packages", packages=["left-pad"])
    assert refused["isError"] and "Blocked packages: left-pad" in refused["content"][0]["text"] and "what is installed already" in refused["content"][0]["text"]


def test_sessions_are_apart_and_a_key_sees_its_own(keyed):
    nobody, alice, again, bob = Mcp(keyed.client), *(Mcp(keyed.client, key) for key in (ALICE, ALICE, BOB))
    answer = nobody.initialize()
    assert code_of(answer, 401) == -32000 and answer.json["error"]["data"]["code"] == "API_KEY_REQUIRED" and answer.headers["www-authenticate"].startswith("Bearer")
    for mcp in (alice, again, bob):
        mcp.initialize()
    alice.call("run_code", code="x = 'of alice'")
    assert "NameError" in again.call("run_code", code="x")["content"][0]["text"]
    assert bob.call("run_code", code="x", session=alice.session)["content"][0]["text"].startswith(f"Session '{alice.session}' not found")
    assert again.text("run_code", code="x", session=alice.session) == "'of alice'"
    bob.session = alice.session
    assert code_of(bob.ask("ping"), 404) == code_of(keyed.client.request("DELETE", "/mcp", headers=bob.headers()), 404) == -32001


# ---- messages ----

@pytest.mark.parametrize("body,code", [
    ("", -32600), ("{", -32700), ("nonsense", -32700), ("\x00", -32700), ("[]", -32600), ("7", -32700), ('"x"', -32700), ("null", -32700), ("{}", -32600), ("[" * 90, -32700),
    ('[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600), ('{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600), ('{"id":1,"method":"ping"}', -32600),
    ('{"jsonrpc":"2.0","id":1,"method":7}', -32600), ('{"jsonrpc":"2.0","id":1,"method":""}', -32600), ('{"jsonrpc":"2.0","id":1,"method":"' + "m" * 129 + '"}', -32600),
    ('{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600), ('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600), ('{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    ('{"jsonrpc":"2.0","id":"' + "i" * 257 + '","method":"ping"}', -32600), ('{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
    ('{"jsonrpc":"2.0","id":1}', -32600), ('{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', -32600), ('{"jsonrpc":"2.0","result":{}}', -32600)])
def test_messages_that_are_none(mcp, body, code):
    assert code_of(mcp.post(body, {"Content-Type": "application/json"}), 400) == code
    assert mcp.ask("ping").json["result"] == {}


def test_ids_come_back_as_they_were(mcp):
    for id in (0, -1, 2**62, "", "a", "\u00e9", "i" * 256):
        assert mcp.ask("ping", id=id).json == {"jsonrpc": "2.0", "id": id, "result": {}}
        assert mcp.ask("nothing", id=id).json["error"]["code"] == -32601 and mcp.ask("nothing", id=id).json["id"] == id
    assert mcp.post('{"jsonrpc":"2.0","id":5,"method":7}', {"Content-Type": "application/json"}).json["id"] == 5


def test_what_needs_no_answer_gets_none(mcp):
    for message in ({"method": "notifications/initialized"}, {"method": "notifications/nothing", "params": {}}, {"method": "notifications/cancelled"},
                    {"method": "notifications/cancelled", "params": {"requestId": 77}}, {"method": "notifications/cancelled", "params": {"requestId": {}}}, {"id": 1, "result": {}},
                    {"id": 1, "error": {"code": 1, "message": "x"}}, {"error": {"code": 1, "message": "x"}}):
        answer = mcp.post({"jsonrpc": "2.0", **message})
        assert (answer.status, answer.body) == (202, b""), message


def test_headers(mcp, client, server):
    assert code_of(mcp.ask("ping", headers={"MCP-Protocol-Version": "1999-01-01"}), 400) == -32022
    assert mcp.ask("ping", headers={"MCP-Protocol-Version": "1999-01-01"}).json["error"]["data"] == {"supported": VERSIONS, "requested": "1999-01-01"}
    assert code_of(mcp.ask("ping", headers={"MCP-Protocol-Version": STATELESS}), 400) == -32020
    assert mcp.ask("ping", headers={"MCP-Protocol-Version": "2025-03-26"}).status == 200
    assert code_of(mcp.post('{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Content-Type": "text/plain"}), 415) == -32000
    # a page that was led here by its own name
    assert code_of(mcp.ask("ping", headers={"Origin": "http://evil.example"}), 403) == -32000
    assert code_of(mcp.ask("ping", headers={"Host": "evil.example"}), 403) == -32000
    assert mcp.ask("ping", headers={"Origin": server.url}).status == 200
    for method in ("GET", "DELETE"):
        answer = client.request(method, "/mcp", headers=mcp.headers({"Origin": "http://evil.example"}))
        assert answer.status == 403 and b"ORIGIN_NOT_ALLOWED" in answer.body
    assert client.request("PUT", "/mcp", {}).status == 405


def test_a_request_that_comes_byte_by_byte(mcp, server):
    body = json.dumps(mcp.message("tools/call", {"name": "run_code", "arguments": {"code": "'\u00e4' * 2"}}, id=1), ensure_ascii=False).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: {server.client.host}\r\nContent-Type: application/json\r\nMcp-Session-Id: {mcp.session}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    whole = head + body

    def said(connection):
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])["result"]["structuredContent"]["result"]

    for cuts in [range(1, len(whole)), *([at] for at in range(len(head) - 3, len(whole), 5))]:
        with server.client.socket() as connection:
            for a, b in itertools.pairwise([0, *cuts, len(whole)]):
                connection.sendall(whole[a:b])
            assert said(connection) == "'\u00e4\u00e4'"


# ---- tools ----

def test_the_tools_and_their_schemas(mcp):
    tools = {t["name"]: t for t in mcp.ask("tools/list").json["result"]["tools"]}
    assert list(tools) == ["run_code", "interrupt", "list_variables", "list_files", "read_file", "write_file", "install_packages", "checkpoint", "list_checkpoints", "rollback", "fork", "end_session"]
    for tool in tools.values():
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        assert tool["title"] and tool["description"] and set(tool["inputSchema"].get("required", [])) <= set(tool["inputSchema"]["properties"]) and "session" in tool["inputSchema"]["properties"]
        assert all(isinstance(tool["annotations"][hint], bool) for hint in ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"))
        if "outputSchema" in tool:
            jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
    reads = {name for name, tool in tools.items() if tool["annotations"]["readOnlyHint"]}
    assert reads == {"list_variables", "list_files", "read_file", "list_checkpoints"}
    assert {name for name, tool in tools.items() if tool["annotations"]["destructiveHint"]} == {"run_code", "write_file", "rollback", "end_session"}


def test_what_a_tool_says_keeps_to_its_schema(mcp):
    tools = {t["name"]: t for t in mcp.ask("tools/list").json["result"]["tools"]}
    calls = [("run_code", {"code": "print(1); open('a.txt', 'w').write('x'); 2"}), ("run_code", {"code": "1/0"}), ("run_code", {"code": "import os; os._exit(3)"}), ("list_variables", {}), ("list_files", {}),
             ("write_file", {"path": "b", "content": ""}), ("checkpoint", {}), ("list_checkpoints", {}), ("rollback", {}), ("fork", {"count": 2}), ("interrupt", {})]
    for name, arguments in calls:
        result = mcp.call(name, **arguments)
        jsonschema.validate(result["structuredContent"], tools[name]["outputSchema"])
    assert not mcp.call("end_session")["structuredContent"].keys() - {"success", "message"}


def test_who_calls_a_tool_wrongly_is_told_how_to_call_it(mcp):
    for name, arguments, part in (
            ("run_code", {}, "required property 'code'"), ("run_code", {"code": 7}, "must be string"), ("run_code", {"code": ""}, "fewer than 1"), ("run_code", {"code": "1", "timeout": -1}, "timeout must be"),
            ("run_code", {"code": "1", "session": "x"}, "`session` must be a sessionId"), ("run_code", {"code": "1", "session": 7}, "`session` must be a sessionId"),
            ("run_code", {"code": "1", "session": "00000000-0000-4000-8000-000000000000"}, "Leave `session` out"), ("run_code", {"code": "1", "allowNetworking": True}, "without the network"),
            ("read_file", {}, "required property 'path'"), ("read_file", {"path": "../etc/passwd"}, "relative to the workspace"), ("read_file", {"path": "none"}, "Call list_files"),
            ("read_file", {"path": "x", "offset": "a"}, "offset must be"), ("read_file", {"path": "x", "limit": 2**40}, "limit must be"), ("write_file", {"path": "x"}, "required property 'content'"),
            ("write_file", {"path": "a/../../x", "content": ""}, "files must have paths"), ("write_file", {"path": "x", "content": "%", "encoding": "base64"}, "base64"), ("write_file", {"path": "x", "content": "", "encoding": "x"}, "encoding must be"),
            ("list_files", {"depth": 99}, "depth must be"), ("list_files", {"depth": []}, "depth must be"), ("list_files", {"path": "none"}, "list_files"), ("rollback", {"checkpointId": "none"}, "Call list_checkpoints"),
            ("fork", {"count": 0}, "count must be"), ("install_packages", {}, "required property 'packages'"), ("install_packages", {"packages": ["--index-url=x"]}, "package names"),
            ("checkpoint", {"name": 7}, "name must be")):
        result = mcp.call(name, **arguments)
        assert result["isError"] and part in result["content"][0]["text"], (name, arguments, result)
    for params in (None, {}, {"name": "none"}, {"name": 7}, {"name": "run_code", "arguments": []}):
        assert code_of(mcp.ask("tools/call", params), 200) == -32602


def test_files_of_all_kinds(mcp):
    mcp.call("run_code", code="import zlib; open('b.bin', 'wb').write(bytes(range(256))); open('t.txt', 'w').write('\u00e4' * 40000); open('e', 'w').close()")
    blob = mcp.call("read_file", path="b.bin")["content"][0]["resource"]
    assert blob["uri"] == "file:///workspace/b.bin" and blob["blob"].startswith("AAECAwQF")
    assert mcp.text("read_file", path="e") == ""
    text, offset = "", 0
    while True:  # a long one, in parts that no letter is cut through
        content = mcp.call("read_file", path="t.txt", offset=offset, limit=32767)["content"]
        text += content[0]["text"]
        if len(content) == 1:
            break
        offset = int(content[1]["text"].rsplit(" ", 1)[1].rstrip("."))
    assert text == "\u00e4" * 40000
    assert mcp.call("write_file", path="i m/\u00e9.png", content="iVBORw0KGgo=", encoding="base64")["structuredContent"] == {"path": "i m/\u00e9.png", "size": 8}
    assert mcp.call("read_file", path="i m/\u00e9.png")["content"] == [{"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}]
    part = mcp.call("read_file", path="i m/\u00e9.png", limit=4)["content"]
    assert part[0]["resource"]["uri"] == "file:///workspace/i%20m/%C3%A9.png" and part[1]["text"].endswith("Go on with offset 4.")
    assert mcp.call("read_file", path="b.bin", offset=256)["isError"]


def test_variables_are_told_without_what_is_long(mcp):
    mcp.call("run_code", code="x = 1; text = 'a' * 1000; import pandas; frame = pandas.DataFrame({'a': range(1000)})")
    variables = mcp.call("list_variables")["structuredContent"]["variables"]
    assert variables["x"] == {"type": "int", "size": 28, "value": 1} and variables["text"]["type"] == "str" and "value" not in variables["text"]
    assert len(json.dumps(variables)) < 2000, variables


def test_long_output_is_cut_in_the_middle(mcp):
    result = mcp.call("run_code", code="print('a' * 100_000 + 'z')")
    for text in (result["content"][0]["text"], result["structuredContent"]["stdout"]):
        assert len(text) < 70_000 and text.startswith("aaa") and text.endswith("z\n") and "left out here" in text


def test_what_is_lost_is_said(mcp):
    mcp.call("run_code", code="x = 1")
    mcp.call("checkpoint")
    died = mcp.call("run_code", code="x = 2; import os; os._exit(1)")
    assert died["isError"] and "variables are as they were before" in died["content"][-1]["text"] and mcp.text("run_code", code="x") == "1"
    slow = mcp.call("run_code", code="while True: pass", timeout=100)
    assert slow["isError"] and "smaller steps" in slow["content"][-1]["text"] and slow["structuredContent"]["status"] == "timeout"
    assert mcp.text("run_code", code="input() + input()", stdin="a\nb\n") == "'ab'"
    assert "EOFError" in mcp.call("run_code", code="input()")["content"][0]["text"]


def test_a_session_that_ends_under_a_run(mcp, client):
    fork = mcp.call("fork")["structuredContent"]["sessionIds"][0]
    with mcp.stream("run_code", token="t", code="print('go'); import time; time.sleep(100)", session=fork) as stream:
        assert any("go" in e.text for e in upto(stream, lambda e: "go" in e.text))
        assert mcp.call("end_session", session=fork)["structuredContent"]["success"]
        result = [e.json for e in stream if e.text][-1]["result"]
    assert result["isError"], result


# ---- streams ----

def messages(stream):
    return [(e.id, e.json) for e in stream if e.text]


def test_output_is_progress_and_a_run_can_be_cancelled(mcp):
    with mcp.stream("run_code", id="the run", token="tok", code="import time, sys\nprint('one')\nprint('two', file=sys.stderr)\nx = 1\ntime.sleep(100)") as stream:
        seen = upto(stream, lambda e: "two" in e.text)
        assert seen[0].text == "" and seen[0].id, "first of all where it can be resumed from"
        progress = [e.json for e in seen if e.text]
        assert all(m["method"] == "notifications/progress" and m["params"]["progressToken"] == "tok" for m in progress)
        assert "".join(m["params"]["message"] for m in progress) == "one\ntwo\n" and [m["params"]["progress"] for m in progress] == sorted({m["params"]["progress"] for m in progress})
        assert mcp.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "another"}}).status == 202
        assert mcp.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "the run", "reason": "enough"}}).status == 202
        response = messages(stream)[-1][1]
    assert response["id"] == "the run" and response["result"]["structuredContent"]["status"] == "interrupted" and mcp.text("run_code", code="x") == "1"
    with mcp.stream("run_code", id="the run", token=2, code="print('again'); time.sleep(100)") as stream:  # by a client that counts from the beginning again
        upto(stream, lambda e: "again" in e.text)
        mcp.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "the run"}})
        assert messages(stream)[-1][1]["result"]["structuredContent"]["status"] == "interrupted"


@pytest.mark.parametrize("version", VERSIONS[2:])
def test_older_clients_get_no_event_without_a_message(client, version):
    mcp = Mcp(client)
    mcp.initialize(version)
    with mcp.stream("run_code", token=1, code="print(1)") as stream:
        assert all(e.text for e in stream)


def test_without_a_token_there_is_no_progress(mcp):
    with mcp.stream("run_code", code="print('one'); 7") as stream:
        said = messages(stream)
    assert len(said) == 1 and said[0][1]["result"]["structuredContent"]["result"] == "7"


def test_a_stream_that_was_cut_off_goes_on(mcp, client):
    mcp.call("write_file", path="n", content="0")
    code = "import os, time\nfor i in range(6):\n    print(i, flush=True)\n    while int(open('n').read() or 0) <= i: time.sleep(0.01)\n'end'"
    with mcp.stream("run_code", id=7, token=1, code=code) as stream:
        last = upto(stream, lambda e: '"0\\n"' in e.text)[-1].id
    text, ids = "0\n", [last]
    for i in range(1, 6):
        mcp.call("write_file", path="n", content=str(i))
        with mcp.resume(last) as stream:
            seen = upto(stream, lambda e: f'"{i}\\n"' in e.text)
        text += "".join(e.json["params"]["message"] for e in seen)
        last = seen[-1].id
        ids.append(last)
    mcp.call("write_file", path="n", content="99")
    with mcp.resume(last) as stream:
        response = messages(stream)[-1][1]
    assert text == "0\n1\n2\n3\n4\n5\n" and response["id"] == 7 and response["result"]["structuredContent"]["result"] == "'end'"
    with mcp.resume(ids[2]) as stream:  # and again, when all is over
        again = messages(stream)
    assert [m["params"]["message"] for _, m in again[:-1]] == ["3\n", "4\n", "5\n"] and again[-1][1] == response
    # what is nobody's, or another session's
    other = Mcp(client)
    other.initialize()
    for who, event in ((mcp, "none"), (mcp, "a" * 500), (mcp, ids[0][:36]), (mcp, "00000000-0000-4000-8000-000000000000.1"), (mcp, ids[0][:37] + "x"), (other, ids[0])):
        assert code_of(who.client.request("GET", "/mcp", headers=who.headers({"Last-Event-ID": event})), 400) == -32600


def test_runs_and_sessions_outlive_the_server_process(mcp, server):
    mcp.call("run_code", code="x = 41")
    with mcp.stream("run_code", id="r", token="t", code="import os, time\nprint('before', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('after')\nx + 1") as stream:
        last = upto(stream, lambda e: "before" in e.text)[-1].id
        old = until(server.server_pid, "a server process runs")
        os.kill(old, signal.SIGKILL)
        until(lambda: server.server_pid() not in (None, old), "another server process runs")
        retry(lambda: server.client.get("/health"))
    mcp.call("write_file", path="go", content="")
    with mcp.resume(last) as stream:
        said = [m for _, m in messages(stream)]
    assert said[0]["params"] == {"progressToken": "t", "progress": said[0]["params"]["progress"], "message": "after\n"} and said[-1]["id"] == "r"
    assert said[-1]["result"]["structuredContent"]["result"] == "42"
    with mcp.stream("run_code", id="c", code="import time; time.sleep(100)") as stream:  # and cancelled by what the former process knew
        old = until(server.server_pid, "a server process runs")
        os.kill(old, signal.SIGKILL)
        until(lambda: server.server_pid() not in (None, old), "another server process runs")
        retry(lambda: server.client.get("/health"))
    mcp.post({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}})
    assert mcp.text("run_code", code="x") == "41"


# ---- 2026-07-28: no handshake, no session ----

def test_requests_that_stand_for_themselves(client):
    mcp = Mcp(client)
    found = stateless(mcp, "server/discover").json["result"]
    assert found["supportedVersions"] == VERSIONS and found["resultType"] == "complete" and found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "penny-sandbox"
    assert {"ttlMs", "cacheScope", "capabilities"} <= set(found)
    assert len(stateless(mcp, "tools/list").json["result"]["tools"]) == 12
    first = stateless(mcp, "tools/call", {"name": "run_code", "arguments": {"code": "x = 5"}})
    assert "mcp-session-id" not in first.headers
    session = first.json["result"]["structuredContent"]["sessionId"]
    second = stateless(mcp, "tools/call", {"name": "run_code", "arguments": {"code": "x", "session": session}}).json["result"]
    assert second["structuredContent"]["result"] == "5" and second["resultType"] == "complete"
    made = stateless(mcp, "tools/call", {"name": "write_file", "arguments": {"path": "a", "content": "b"}}).json["result"]["structuredContent"]["sessionId"]
    assert made != session and stateless(mcp, "tools/call", {"name": "read_file", "arguments": {"path": "a", "session": made}}).json["result"]["content"][0]["text"] == "b"
    lost = stateless(mcp, "tools/call", {"name": "list_files", "arguments": {}}).json["result"]
    assert lost["isError"] and "run_code makes one" in lost["content"][0]["text"]
    for id in (session, made):
        client.delete_session(id)


def test_headers_of_requests_that_stand_for_themselves(client):
    mcp = Mcp(client)
    assert code_of(stateless(mcp, "server/discover", version="2099-01-01"), 400) == -32022
    assert code_of(stateless(mcp, "server/discover", version="2025-11-25"), 400) == -32022
    for method in ("initialize", "ping", "nothing", "resources/list"):
        assert code_of(stateless(mcp, method), 404) == -32601
    for header in ("MCP-Protocol-Version", "Mcp-Method"):
        assert code_of(stateless(mcp, "server/discover", headers={header: "x"}), 400) == -32020
    call = ("tools/call", {"name": "list_files", "arguments": {}})
    for given in ("x", "=?base64?eA==?=", "=?base64?%?=", "=?base64??=", "=?base64?="):
        assert code_of(stateless(mcp, *call, headers={"Mcp-Name": given}), 400) == -32020
    assert stateless(mcp, *call, headers={"Mcp-Name": "=?base64?bGlzdF9maWxlcw==?="}).json["result"]["isError"]


def test_leaving_is_cancelling_where_requests_stand_for_themselves(client):
    mcp = Mcp(client)
    session = stateless(mcp, "tools/call", {"name": "run_code", "arguments": {"code": "x = 1"}}).json["result"]["structuredContent"]["sessionId"]
    headers = {**BOTH, "MCP-Protocol-Version": STATELESS, "Mcp-Method": "tools/call", "Mcp-Name": "run_code"}
    meta = {"progressToken": 1, "io.modelcontextprotocol/protocolVersion": STATELESS, "io.modelcontextprotocol/clientCapabilities": {}}
    message = mcp.message("tools/call", {"name": "run_code", "arguments": {"code": "print('go'); import time; time.sleep(100)", "session": session}, "_meta": meta})
    with client.open_stream("POST", "/mcp", message, headers) as stream:
        seen = upto(stream, lambda e: "go" in e.text)
        assert all(e.id is None for e in seen)
    until(lambda: not client.expect(200, "GET", f"/api/v1/sessions/{session}")["busy"], "it is interrupted")
    assert client.stdout("print(x)", session) == "1\n"
    client.delete_session(session)


def test_calls_are_counted_and_recorded_as_what_they_do(keyed):
    mcp, log = Mcp(keyed.client, ALICE), keyed.audit
    mcp.initialize()
    mcp.call("write_file", path="a.txt", content="b")
    mcp.call("checkpoint")
    mcp.call("run_code", code="1")

    def actions():
        return [line["action"] for line in json_lines(log) if line.get("sessionId") == mcp.session and line["key"] == "alice"]

    until(lambda: {"sessions.files.write", "sessions.checkpoints", "execution"} <= set(actions()), "all is written")
    metrics = keyed.client.request("GET", "/metrics", headers=mcp.key).body.decode()
    assert 'method="POST",route="/mcp"' in metrics and 'route="/api/v1/sessions/{id}/checkpoints"' in metrics
