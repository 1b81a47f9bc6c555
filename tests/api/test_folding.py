"""A service that may open few files: sessions that rest leave their pipes to their inits, and nobody can tell by what they say."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import BUILD, Server, processes, retry, until

LIMIT, MANY = 240, 44  # six descriptors for each of them would be more than there are


def descriptors(server):
    return len(os.listdir(f"/proc/{server.server_pid()}/fd"))


def counted(server, name):
    text = server.client.get("/metrics").body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


@pytest.fixture(scope="module")
def few(workplace):
    wrapper = workplace / "few-files"
    wrapper.write_text(f'#!/bin/sh\nulimit -n {LIMIT}\nexec {BUILD}/penny-sandbox "$@"\n')
    wrapper.chmod(0o755)
    with Server(workplace / "folding", env={"SANDBOX_PROFILE": "open", "SANDBOX_POOL_SIZE": "2"}, executable=wrapper) as server:
        server.sessions = [server.client.session(metadata={"number": n}) for n in range(MANY)]
        for n, session in enumerate(server.sessions):
            server.client.stdout(f"x = {n}", session)
        yield server


@pytest.fixture
def rested(few):
    """The first sessions are those that have not been used for the longest, so they are folded."""
    for session in few.sessions[MANY // 2:]:
        few.client.stdout("pass", session)
    return few


def test_more_sessions_than_six_descriptors_each_would_allow(few):
    client = few.client
    assert 6 * MANY > LIMIT > descriptors(few) and counted(few, "penny_folds_total") > 0
    for n, session in enumerate(few.sessions):
        result = client.execute("x += 100\nx", session)
        assert result["status"] == "ok" and result["executionCount"] == 2, result
        assert client.stdout("print(x)", session) == f"{n + 100}\n"
    notebook = client.expect(200, "GET", f"/api/v1/sessions/{few.sessions[0]}/notebook")
    assert "".join(notebook["cells"][0]["source"]) == "x = 0"
    others = [socket.create_connection(("127.0.0.1", few.port), 30) for _ in range(20)]
    for other in others:
        other.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert other.recv(12) == b"HTTP/1.1 200"
        other.close()
    with ThreadPoolExecutor(12) as pool:  # many at once: each gets its own back
        code = "import subprocess, time\nfor n in range(3):\n    print(x)\n    subprocess.run(['echo', str(x)])"
        texts = list(pool.map(lambda session: client.stdout(code, session), few.sessions))
    for text in texts:
        assert len(set(text.split())) == 1 and len(text.split()) == 6
    assert len({text.split()[0] for text in texts}) == MANY


def test_a_folded_session_streams_in_order(rested):
    code = "import os\nfor n in range(30):\n    print('line', n)\n    os.write(1, b'raw %d\\n' % n)\nos.write(2, b'last')\n"
    for session in rested.sessions[:3]:
        with rested.client.stream(code, session) as stream:
            assert stream.result()["status"] == "ok"
            assert stream.text() == "".join(f"line {n}\nraw {n}\n" for n in range(30))
            assert stream.text("stderr") == "last"


def test_what_a_child_says_while_its_session_is_folded_is_heard(few, tmp_path):
    client, session = few.client, few.sessions[1]
    client.stdout("import subprocess\nchild = subprocess.Popen(['sh', '-c', 'while ! test -e go; do sleep 0.02; done; echo from the child; "
                  "echo and its error >&2; touch said'])", session)
    for other in few.sessions[2:]:
        client.stdout("pass", other)
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"now")
    until(lambda: client.get(f"/api/v1/sessions/{session}/files/said").status == 200, "the child has spoken")
    result = client.execute("print('my own')", session)
    assert result["output"]["stdout"] == "from the child\nmy own\n" and result["output"]["stderr"] == "and its error\n", result


def test_an_interpreter_that_dies_while_it_is_folded_is_replaced(few):
    client, session = few.client, few.sessions[3]
    inner = client.stdout("import os, subprocess\nopen('is-this-one', 'w').close()\n"
                  "subprocess.Popen(['sh', '-c', f'while ! test -e die; do sleep 0.02; done; kill -9 {os.getpid()}'])\nprint(os.getpid())", session).strip()
    init = until(lambda: next((p for p in processes.children(few.zygote_pid()) if os.path.exists(f"/proc/{p}/root/workspace/is-this-one")), None), "its init is found")
    worker = until(lambda: next((p for p in processes.children(init) if processes.inner_pid(p) == int(inner)), None), "it is found")
    for other in few.sessions[4:]:
        client.stdout("pass", other)
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/die", b"now")
    until(lambda: not processes.alive([worker]), "it has died")
    result = client.execute("print('goes on')", session)
    assert result["status"] == "killed" or "The interpreter died after the previous execution" in result["notice"], result  # as init is told first or we
    assert client.stdout("print('goes on')", session) == "goes on\n"


@pytest.mark.parametrize("how", ["killed", "replaced"])
def test_another_server_process_takes_over_what_is_folded(rested, how):
    server, client = rested, rested.client
    expected = [client.stdout("print(x)", session) for session in server.sessions[::5]]
    old = until(server.server_pid, "a server process runs")
    if how == "killed":
        os.kill(old, signal.SIGKILL)
    else:
        zygote = until(server.zygote_pid, "a zygote runs")
        server.signal(signal.SIGUSR2)
        until(lambda: server.zygote_pid() not in (None, zygote), "another zygote runs, too")
    until(lambda: server.server_pid() not in (None, old), "another server process runs")
    until(lambda: retry(lambda: client.get("/health")).json["status"] == "healthy", "which has a zygote")
    assert descriptors(server) < LIMIT
    assert [client.stdout("print(x)", session) for session in server.sessions[::5]] == expected
    result = client.execute("import os\nprint('a')\nos.write(1, b'b\\n')\nprint('c')", server.sessions[0])
    assert result["output"]["stdout"] == "a\nb\nc\n"
    assert {client.get(f"/api/v1/sessions/{session}").status for session in server.sessions} == {200}
    assert client.stdout("print('new')") == "new\n"


def test_a_request_that_was_just_sent_to_a_folded_session_survives(rested):
    """The server process dies while it waits for the session's pipes."""
    server, client = rested, rested.client
    for session in server.sessions[:4]:
        old = until(server.server_pid, "a server process runs")
        execution = client.start("for n in range(5):\n    print('line', n)\nimport os; os.write(1, b'raw\\n')\nmark = 'set'", session)
        os.kill(old, signal.SIGKILL)
        until(lambda old=old: server.server_pid() not in (None, old), "another server process runs")
        with retry(lambda execution=execution: client.events(execution)) as events:
            assert events.result()["status"] == "ok"
            assert events.text() == "line 0\nline 1\nline 2\nline 3\nline 4\nraw\n"
        assert client.stdout("print(mark)", session) == "set\n"


def test_forks_restarts_and_exports_of_folded_sessions(rested):
    client, sessions = rested.client, rested.sessions
    forked = client.expect(201, "POST", f"/api/v1/sessions/{sessions[5]}/fork", {"count": 2})
    for fork in forked["sessions"]:
        assert client.stdout("print(x)", fork["id"]) == client.stdout("print(x)", sessions[5])
        client.delete_session(fork["id"])
    client.expect(202, "POST", f"/api/v1/sessions/{sessions[6]}/restart")
    assert client.stdout("print('x' in globals())", sessions[6]) == "False\n"
    names = client.expect(200, "GET", f"/api/v1/sessions/{sessions[7]}/variables")
    assert "x" in names["variables"], names


def test_when_it_is_full_it_says_so_and_goes_on(few):
    client, more = few.client, []
    while (answer := client.post("/api/v1/sessions", {})).status == 201 and len(more) < LIMIT:
        more.append(answer.json["id"])
    assert answer.status in (429, 503) and len(more) >= 3, answer
    assert client.stdout("print('goes on')", few.sessions[0]) == "goes on\n"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda session: client.stdout("print(1)", session), few.sessions)) == {"1\n"}
    for session in more:
        client.delete_session(session)
    until(lambda: client.post("/api/v1/execute", {"code": "print(2)"}).status == 200, "there is room again")
