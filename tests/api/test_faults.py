"""Processes that die in every state of a session, and a machine that has run out of something: a truthful end, and a working service."""

import http.client
import itertools
import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

from harness import BUILD, Watcher, processes, retry, tiers, until

CUT = (OSError, http.client.HTTPException)
number = itertools.count(1)
SLOW = "class Slow:\n    def __repr__(self):\n        import time; time.sleep(0.5); return 'slow'\ns = Slow()"


class Session:
    """A session whose interpreter can be told from others by its name."""

    def __init__(self, server):
        self.server, self.client = server, server.client
        self.id = self.client.session(checkpoints="always")
        self.name = f"fault-{os.getpid() % 1000}-{next(number)}"
        self.run("kept = 'kept'\nimport ctypes\nctypes.CDLL(None).prctl(15, " + repr(self.name.encode()) + ")")

    def run(self, code):
        return self.client.stdout(code, self.id)

    def pid(self, victim):
        """Of the interpreter (not of its parked copies, which sleep), or of init."""
        for init in processes.descendants(self.server.pid):
            inside = {p: processes.inner_pid(p) for p in processes.children(init) if processes.name(p) == self.name}
            alive = [p for p in inside if inside[p]]  # a copy may just be dropped
            if alive and processes.name(init) == "penny-init":
                return init if victim == "init" else min(alive, key=inside.get)  # the machine's numbers begin again at times
        return None

    def kill(self, victim):
        os.kill(until(lambda: self.pid(victim), f"the {victim} is there"), signal.SIGKILL)

    def assert_usable(self):
        result = self.client.execute("print(globals().get('kept'))", self.id)
        if result["status"] == "killed":  # it was sent to the one that was just dying, and says so
            result = self.client.execute("print(globals().get('kept'))", self.id)
        assert result["success"] and result["output"]["stdout"] in ("kept\n", "None\n"), result


def in_background(call):
    """Runs a request that may be cut or refused. Returns its thread."""
    def quietly():
        try:
            call()
        except CUT:
            pass

    thread = threading.Thread(target=quietly, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("victim", ["worker", "init"])
@pytest.mark.parametrize("state", ["idle", "running", "queued", "inputRequired", "checkpoint", "inspecting", "files"])
def test_a_death_in_every_state(server, state, victim):
    session, client = Session(server), server.client
    path = f"/api/v1/sessions/{session.id}"
    executions, threads = [], []
    if state in ("running", "queued"):
        executions.append(client.start("print('up', flush=True)\nwhile True: pass", session.id))
        with client.events(executions[0]) as events:
            events.next("stdout", "up")
    if state == "queued":
        executions.append(client.start("print('next')", session.id))
    if state == "inputRequired":
        executions.append(client.start("input('?')", session.id))
        until(lambda: client.execution(executions[0])["status"] == "inputRequired", "it waits")
    if state == "checkpoint":
        threads.append(in_background(lambda: [client.post(f"{path}/checkpoints", {"name": "n"}) for _ in range(5)]))
    if state == "inspecting":
        session.run(SLOW)
        threads.append(in_background(lambda: client.get(f"{path}/variables")))
    if state == "files":
        threads.append(in_background(lambda: [client.request("PUT", f"{path}/files/f", b"x" * 2_000_000, headers={"Content-Type":
                                                             "application/octet-stream"}) for _ in range(5)]))
    session.kill(victim)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a request is never answered"
    for n, execution in enumerate(executions):
        watcher = Watcher(client, execution).run()
        watcher.assert_joined()
        assert watcher.result()["status"] == ("killed" if n == 0 else "ok"), watcher.result()
    session.assert_usable()
    client.delete_session(session.id)


def test_watchers_that_die_or_stall_harm_nobody(server):
    session, client = server.client.session(), server.client
    execution = client.start("for n in range(20000): print('line', n)", session)
    stalled = [client.events(execution) for _ in range(3)]
    reader = subprocess.Popen(["curl", "-sN", f"{server.url}/api/v1/executions/{execution}/events"], stdout=subprocess.DEVNULL)
    reader.kill()
    reader.wait()
    watcher = Watcher(client, execution).run()
    watcher.assert_joined()
    assert watcher.text() == "".join(f"line {n}\n" for n in range(20000))
    for stream in stalled:
        assert stream.result()["status"] == "ok"
        stream.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_a_full_disk(make_server, tmp_path):
    server = make_server()
    server.state.mkdir(mode=0o700)
    os.chown(server.state, tiers.uid(server.tier), -1)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "penny-test", str(server.state)], check=True)
    try:
        os.chown(server.state, tiers.uid(server.tier), -1)
        server.start()
        client, session = server.client, server.client.session()
        client.stdout("x = 'before'", session)
        ballast = server.state / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], stderr=subprocess.DEVNULL)
        with client.stream("for n in range(60000): print('line', n)\nx = 'during'", session) as stream:
            assert stream.result()["status"] == "ok"
            assert stream.text() == "".join(f"line {n}\n" for n in range(60000))
            assert any(e.type == "truncated" and e.data["reason"] == "storage" for e in stream.seen)
        assert client.stdout("print(x)", session) == "during\n"
        ballast.unlink()
        assert client.stdout("print(x)", session) == "during\n"
        os.kill(until(server.server_pid, "a server process runs"), signal.SIGKILL)  # what is kept again is kept
        answer = retry(lambda: client.post("/api/v1/execute", {"code": "print(x)", "sessionId": session})).json
        assert answer["output"]["stdout"] == "during\n", answer
        server.stop()
    finally:
        subprocess.run(["umount", "-l", str(server.state)], check=True)


def test_too_few_descriptors(make_server, workplace):
    """A service that may open few: what does not fit is refused, and what is there goes on."""
    wrapper = workplace / "few-descriptors"
    wrapper.write_text(f'#!/bin/sh\nulimit -n 120\nexec {BUILD}/penny-sandbox "$@"\n')
    wrapper.chmod(0o755)
    server = make_server(env={"SANDBOX_POOL_SIZE": "1"}, executable=wrapper).start()
    client, session = server.client, server.client.session()
    client.stdout("x = 1", session)
    answers = [client.post("/api/v1/sessions", {})]
    while answers[-1].status == 201 and len(answers) < 40:
        answers.append(client.post("/api/v1/sessions", {}))
    assert len(answers) > 1 and answers[-1].status in (429, 503), answers
    assert client.stdout("print(x)", session) == "1\n"
    others = [socket.create_connection(("127.0.0.1", server.port), 30) for _ in range(6)]  # sessions leave room for who wants to end some
    for other in others:
        other.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert other.recv(12) == b"HTTP/1.1 200"
    for other in others:
        other.close()
    for answer in answers:
        if answer.status == 201:
            client.delete_session(answer.json["id"])
    until(lambda: client.post("/api/v1/execute", {"code": "print(2)"}).status == 200, "there is room again")
    assert client.stdout("print(x)", session) == "1\n"


def test_a_zygote_that_cannot_fork(make_server):
    """No more processes: who asks for a session is told; when there is room again one is made."""
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    client, session = server.client, server.client.session()
    client.stdout("x = 1", session)
    zygote = until(server.zygote_pid, "a zygote runs")
    before = resource.prlimit(zygote, resource.RLIMIT_NOFILE)
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{zygote}/fd")) + 2, before[1]))
    answer = client.post("/api/v1/sessions", {})
    assert answer.status == 503 and answer.json["message"], answer
    assert client.stdout("print(x)", session) == "1\n"
    resource.prlimit(zygote, resource.RLIMIT_NOFILE, before)
    assert client.stdout("print('again')") == "again\n"


def test_a_kernel_that_refuses_a_fork(make_server):
    """EAGAIN, as with no memory: of the zygote, then of an interpreter that is to leave a copy behind."""
    tier = "process"
    if tiers.tier_reason(tier) is not None:
        pytest.skip(tiers.tier_reason(tier))
    server = make_server(tier=tier, env={"SANDBOX_POOL_SIZE": "0"}).start()
    client, session = server.client, server.client.session(checkpoints="always")
    client.stdout("x = 1", session)
    zygote = until(server.zygote_pid, "a zygote runs")
    before = resource.prlimit(zygote, resource.RLIMIT_NPROC)
    resource.prlimit(zygote, resource.RLIMIT_NPROC, (1, before[1]))
    for _ in range(3):
        answer = client.post("/api/v1/sessions", {})
        assert answer.status == 503 and answer.json["message"], answer
    assert client.stdout("x += 1; print(x)", session) == "2\n"
    resource.prlimit(zygote, resource.RLIMIT_NPROC, before)
    assert client.stdout("print('again')") == "again\n"

    good = client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": "good"})
    worker = int(client.stdout("import os; print(os.getpid())", session))
    resource.prlimit(worker, resource.RLIMIT_NPROC, (1, resource.prlimit(worker, resource.RLIMIT_NPROC)[1]))
    assert client.stdout("x += 1; print(x)", session) == "3\n"
    refused = client.post(f"/api/v1/sessions/{session}/checkpoints", {"name": "none"})  # a copy of the state since that cell is new
    assert refused.status in (409, 503) and refused.json["message"], refused
    client.expect(200, "POST", f"/api/v1/sessions/{session}/rollback", {"checkpointId": good["id"]})
    assert client.stdout("print(x)", session) == "2\n"
