"""The official SDKs for the Model Context Protocol, as they come from npm, over both transports: with sessions, and of the revision that has none."""

import json
import os
import signal
import subprocess

import pytest

from harness import BUILD, ROOT, Server, node, processes, until

PLACE = ROOT / "tests/clients/mcp"
KEY = "key-of-an-agent-0123456789"
INITIALIZE = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}


@pytest.fixture(scope="module")
def keyed(workplace):
    with Server(workplace / "mcp-clients", env={"SANDBOX_API_KEYS": f"agent:{KEY}", "SANDBOX_PROFILE": "open"}) as server:
        yield server


def run(script, *arguments, env=()):
    node.run(PLACE / script, *arguments, least=(20,) if script == "stateless.mjs" else (18,), env=env)


@pytest.mark.parametrize("script,way", [("sessions.mjs", "http with a key"), ("sessions.mjs", "stdio"), ("sessions.mjs", "stdio to a server"), ("stateless.mjs", "http"), ("stateless.mjs", "stdio")])
def test_the_sdks(script, way, server, keyed):
    if way == "stdio":
        run(script, "stdio", BUILD / "penny-sandbox", "mcp", "--pool-size=2")
    elif way == "stdio to a server":
        run(script, "stdio", BUILD / "penny-sandbox", "mcp", f"--server={keyed.url}", env={"SANDBOX_API_KEY": KEY})
    elif way == "http":
        run(script, "http", f"{server.url}/mcp")
    else:
        run(script, "http", f"{keyed.url}/mcp", KEY)
    left = keyed.client.expect(200, "GET", "/api/v1/sessions", headers={"X-API-Key": KEY})["sessions"]
    for session in left:  # of clients that left without a word
        keyed.client.request("DELETE", f"/api/v1/sessions/{session['id']}", headers={"X-API-Key": KEY})


# ---- penny-sandbox mcp, line by line ----

class Command:
    """`penny-sandbox mcp` as its client sees it."""

    def __init__(self, *arguments, **env):
        self.process = subprocess.Popen([BUILD / "penny-sandbox", "mcp", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **env})

    def send(self, *messages):
        for message in messages:
            self.process.stdin.write(message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, id, name, **arguments):
        self.send({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}})
        answer = self.read()
        assert answer["id"] == id, answer
        return answer

    def value(self, id, code):
        return self.ask(id, "run_code", code=code)["result"]["structuredContent"]["result"]

    def end(self):
        rest, errors = self.process.communicate(timeout=60)
        return self.process.returncode, [json.loads(line) for line in rest.splitlines()], errors.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.communicate(timeout=60)


@pytest.fixture
def command(keyed):
    with Command("--server", keyed.url, SANDBOX_API_KEY=KEY) as command:
        command.send(INITIALIZE)
        assert command.read()["result"]["protocolVersion"] == "2025-06-18"
        yield command


def test_what_is_said_before_the_end_is_answered(keyed):
    with Command(f"--server={keyed.url}", SANDBOX_API_KEY=KEY) as command:
        call = {"jsonrpc": "2.0", "id": "last", "method": "tools/call", "params": {"name": "run_code", "arguments": {"code": "'\u00e4' * 2"}}}
        command.send(INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, b"\n", b"nonsense\n", b"[]\r\n", b'{"jsonrpc":"2.0","id":1}\n', call)
        code, said, errors = command.end()
    assert (code, errors) == (0, "") and [m["error"]["code"] for m in said if "error" in m] == [-32700, -32600, -32600]
    assert {m["id"]: m["result"] for m in said if "result" in m}["last"]["structuredContent"]["result"] == "'\u00e4\u00e4'"
    assert keyed.client.expect(200, "GET", "/api/v1/sessions", headers={"X-API-Key": KEY})["sessions"] == [], "its session ends with it"


def test_messages_cut_anywhere(command):
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": "\u00e4"}}, ensure_ascii=False).encode() + b"\n"
    for at in range(1, len(line)):
        command.send(line[:at])
        command.send(line[at:])
        assert command.read() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    command.send(*(line[i:i + 1] for i in range(len(line))), line * 3)
    assert [command.read()["result"] for _ in range(4)] == [{}] * 4


def test_a_cancelled_call_is_not_answered(command):
    command.send({"jsonrpc": "2.0", "id": "run", "method": "tools/call", "params": {"name": "run_code", "arguments": {"code": "print('go', flush=True)\nwhile True: pass"}, "_meta": {"progressToken": 5}}})
    assert command.read()["params"] == {"progressToken": 5, "progress": 2, "message": "go\n"}
    command.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "run"}})
    assert command.value("next", "7") == "7"


def test_a_session_that_is_lost_is_said_to_be(command, keyed):
    assert command.value(1, "x = 1; x") == "1"
    session = keyed.client.expect(200, "GET", "/api/v1/sessions", headers={"X-API-Key": KEY})["sessions"][0]["id"]
    keyed.client.request("DELETE", f"/api/v1/sessions/{session}", headers={"X-API-Key": KEY})
    lost = command.ask(2, "run_code", code="x")
    assert lost["error"]["code"] == -32001 and "lost" in lost["error"]["message"]
    assert "NameError" in command.ask(3, "run_code", code="x")["result"]["content"][0]["text"]


def test_a_service_whose_process_is_killed_goes_on(command, keyed):
    command.ask(1, "run_code", code="x = 41")
    call = {"name": "run_code", "arguments": {"code": "import os, time\nprint('before', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\nx + 1"}, "_meta": {"progressToken": 1}}
    command.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
    assert command.read()["params"]["message"] == "before\n"
    old = until(keyed.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)
    until(lambda: keyed.server_pid() not in (None, old), "another server process runs")
    command.send({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "write_file", "arguments": {"path": "go", "content": ""}}})
    answers = {m["id"]: m for m in (command.read(), command.read())}
    assert answers[2]["result"]["structuredContent"]["result"] == "42" and answers[3]["result"]["structuredContent"]["path"] == "go"


def test_wrong_command_lines():
    for arguments, part in ((["--profile=none"], "--profile"), (["--server=https://x"], "plain http"), (["--server=http://127.0.0.1:1", "--pool-size=1"], "--pool-size=1"), (["--nothing"], "--nothing")):
        ran = subprocess.run([BUILD / "penny-sandbox", "mcp", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        assert ran.returncode in (2, 125) and part in ran.stderr and ran.stdout == "", (arguments, ran)
    shown = subprocess.run([BUILD / "penny-sandbox", "mcp", "--help"], capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0 and "mcpServers" in shown.stdout and all(len(line) <= 140 for line in shown.stdout.splitlines())


def test_a_service_that_is_not_there():
    ran = subprocess.run([BUILD / "penny-sandbox", "mcp", "--server=http://127.0.0.1:1"], input=json.dumps(INITIALIZE) + "\n", capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and "cannot reach the service" in json.loads(ran.stdout)["error"]["message"]


def test_a_client_that_is_killed_leaves_nothing():
    with Command("--pool-size=1") as command:
        command.send(INITIALIZE)
        command.read()
        tree = [command.process.pid, *processes.descendants(command.process.pid)]
        assert len(tree) > 3
        command.process.kill()
    until(lambda: not processes.alive(tree), "all its processes end", 60)
