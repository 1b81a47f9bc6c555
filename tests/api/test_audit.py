"""The audit log: who did what, when, from where, and what came of it."""

import hashlib
import json
import os
import signal

from harness import until
from harness.lines import json_lines


def lines(path):
    """Every line of the log; each must be one whole JSON object."""
    return json_lines(path) if path.exists() else []


def having(path, **members):
    return [line for line in lines(path) if all(line.get(k) == v for k, v in members.items())]


def started(make_server, *args, **env):
    server = make_server(env=env)
    server.audit = server.directory / "audit.log"
    server.args += [f"--audit-log={server.audit}", *args]
    return server.start()


def test_an_execution_is_one_line(make_server):
    server = started(make_server)
    code = "print('hello')"
    answer = server.client.post("/api/v1/execute", {"code": code}, headers={"X-Request-Id": "the-request"})
    result = answer.json
    assert answer.headers["x-execution-id"] == result["executionId"]
    found = until(lambda: having(server.audit, action="execution"), "the line is written")
    assert len(found) == 1
    line = found[0]
    assert line["key"] == "anonymous" and line["peer"] == "127.0.0.1" and line["requestId"] == "the-request"
    assert line["executionId"] == result["executionId"] and line["sessionId"] == result["sessionId"]
    assert line["codeSha256"] == hashlib.sha256(code.encode()).hexdigest() and line["codeBytes"] == len(code)
    assert "code" not in line and "hello" not in json.dumps(line)
    assert line["outcome"] == "ok" and line["resources"]["bytesOut"] == 6
    assert line["resources"]["executionMs"] > 0 and line["resources"]["cpuMs"] >= 0 and line["resources"]["memoryPeak"] >= 0
    assert line["time"].endswith("Z")


def test_the_code_itself_by_option(make_server):
    server = started(make_server, "--audit-code=on")
    server.client.execute('x = "é\\n\\"quoted\\""\n')
    (line,) = until(lambda: having(server.audit, action="execution"), "the line is written")
    assert line["code"] == 'x = "é\\n\\"quoted\\""\n'


def test_outcomes_and_refusals(make_server):
    server = started(make_server)
    client = server.client
    client.execute("1/0")
    client.execute("while 1: pass", timeout=100)
    assert client.post("/api/v1/execute", {"code": ""}).status == 400
    until(lambda: len(having(server.audit, action="execution")) == 3, "three lines are written")
    assert having(server.audit, action="execution", outcome="error")[0]["error"] == "ZeroDivisionError"
    assert having(server.audit, action="execution", outcome="timeout")
    assert having(server.audit, action="execution", outcome="refused")[0]["status"] == 400


def test_the_life_of_a_session(make_server):
    server = started(make_server)
    client = server.client
    id = client.session()
    client.expect(200, "PATCH", f"/api/v1/sessions/{id}", {"metadata": {"secret": "not here"}})
    client.expect(202, "POST", f"/api/v1/sessions/{id}/restart")
    client.delete_session(id)
    until(lambda: having(server.audit, action="sessions.delete"), "the deletion is written")
    actions = [line["action"] for line in lines(server.audit) if line.get("sessionId") == id]
    assert sorted(actions) == ["session.end", "session.start", "sessions.delete", "sessions.restart", "sessions.update"]
    assert having(server.audit, action="session.end")[0]["outcome"] == "deleted"
    assert having(server.audit, action="session.start")[0]["profile"] == "open"
    assert "not here" not in server.audit.read_text()
    client.get(f"/api/v1/sessions/{id}")
    client.get("/api/v1/sessions")
    assert not having(server.audit, action="sessions.read"), "looking changes nothing"


def test_files_are_read_and_written_by_somebody(make_server):
    server = started(make_server)
    id = server.client.session()
    path = f"/api/v1/sessions/{id}/files/a%20b.txt"
    assert server.client.request("PUT", path, b"secret", headers={"Content-Type": "application/octet-stream"}).status in (200, 201)
    assert server.client.get(path).body == b"secret"
    assert server.client.delete(path).status == 200
    assert server.client.get(path).status == 404
    until(lambda: having(server.audit, action="sessions.files.read", outcome="refused"), "the last line is written")
    for action in ("sessions.files.write", "sessions.files.read", "sessions.files.delete"):
        line = having(server.audit, action=action, outcome="ok")[0]
        assert line["sessionId"] == id and line["path"] == "a b.txt" and line["peer"] == "127.0.0.1", line
    assert "secret" not in server.audit.read_text()


def test_variables_are_changed_and_exported_by_somebody(make_server):
    server = started(make_server)
    id = server.client.session()
    path = f"/api/v1/sessions/{id}/variables"
    server.client.expect(200, "PUT", path, {"x": "secret"})
    server.client.expect(200, "GET", path)
    server.client.expect(200, "GET", f"{path}/x")
    assert server.client.get(f"{path}/x?format=json").json == "secret"
    server.client.expect(200, "DELETE", f"{path}/x")
    assert server.client.delete(f"{path}/x").status == 404
    server.client.expect(200, "DELETE", path)
    until(lambda: len(having(server.audit, action="sessions.variables.delete")) == 3, "the last line is written")
    found = [(line["action"], line["outcome"], line.get("name")) for line in having(server.audit, sessionId=id) if "variables" in line["action"]]
    assert found == [("sessions.variables.write", "ok", None), ("sessions.variables.read", "ok", "x"), ("sessions.variables.delete", "ok", "x"),
                     ("sessions.variables.delete", "refused", "x"), ("sessions.variables.delete", "ok", None)]
    assert "secret" not in server.audit.read_text()


def test_hangup_goes_on_in_a_new_file(make_server):
    server = started(make_server)
    first = server.client.execute("1")["executionId"]
    until(lambda: having(server.audit, executionId=first), "the first line is written")
    moved = server.audit.with_suffix(".1")
    server.audit.rename(moved)
    server.signal(signal.SIGHUP)
    until(server.audit.exists, "the file is there anew")
    ids = [first]

    def is_in_the_new_one():  # which the server process is given a moment after it is there
        ids.append(server.client.execute("2")["executionId"])
        until(lambda: having(server.audit, executionId=ids[-1]) or having(moved, executionId=ids[-1]), "the line is written")
        return having(server.audit, executionId=ids[-1])

    until(is_in_the_new_one, "lines are in the new file")
    places = [(bool(having(moved, executionId=id)), bool(having(server.audit, executionId=id))) for id in ids]
    assert places == [(True, False)] * (len(ids) - 1) + [(False, True)]


def test_nothing_is_lost_when_the_service_stops(make_server):
    server = started(make_server, SANDBOX_DRAIN="500")
    id = server.client.session()
    running = server.client.start("import time\nwhile True: time.sleep(0.01)", id)
    until(lambda: server.client.execution(running)["status"] == "running", "it runs")
    done = [server.client.execute("1")["executionId"] for _ in range(30)]
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    assert server.audit.read_bytes().endswith(b"\n")
    written = {line.get("executionId") for line in lines(server.audit)}
    assert set(done) <= written
    (line,) = having(server.audit, executionId=running)
    assert line["outcome"] == "killed"
    assert having(server.audit, action="session.end", sessionId=id)


def test_a_full_disk_is_said_loudly_and_stops_nothing(make_server):
    server = make_server()
    server.args += ["--audit-log=/dev/full"]
    server.start()
    assert server.client.stdout("print(1)") == "1\n"
    until(lambda: "the audit log can't be written: No space left on device" in server.log(), "it is said")
    assert server.client.stdout("print(2)") == "2\n"
    metrics = server.client.get("/metrics").body.decode()
    assert "\npenny_audit_waiting_bytes 0\n" not in metrics
    server.stop()
    assert "lines of the audit log were lost" in server.log()


def test_a_reader_that_stops_reading_holds_nothing_up(make_server):
    server = make_server()
    pipe = server.directory / "audit.pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        server.args += [f"--audit-log={pipe}", "--audit-code=on"]
        server.start()
        code = "#" + "x" * 50_000
        for _ in range(8):  # more than a pipe holds
            assert server.client.execute(code)["success"]
        text, wanted = b"", 8

        def all_read():
            nonlocal text
            try:
                text += os.read(reader, 1 << 20)
            except BlockingIOError:
                pass
            return text.count(b'"action":"execution"') == wanted and text.endswith(b"\n")

        until(all_read, "what waited comes when it is read")
        assert all(json.loads(line) for line in text.splitlines())
        server.stop()
    finally:
        os.close(reader)


def test_a_log_that_cannot_be_opened_is_no_start(make_server):
    server = make_server()
    server.args += ["--audit-log=/no/such/directory/audit.log"]
    server.launch()
    assert server.wait() == 1
    assert "cannot open /no/such/directory/audit.log: No such file or directory" in server.log()
