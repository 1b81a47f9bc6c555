"""POST /api/v1/execute/stream and the events of an execution: shape, order, liveness, resuming."""

import json
import re

import pytest

from harness import until, write_policies, until_interrupted

ID = re.compile(r"^([0-9A-Za-z]+)-(\d+)$")
ISO = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")



def chunks(raw):
    """The body of a chunked HTTP answer as the chunks it came in; raw is everything after the head."""
    found = []
    while raw:
        size, _, raw = raw.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            return found
        found.append(raw[:n])
        assert raw[n:n + 2] == b"\r\n"
        raw = raw[n + 2:]
    raise AssertionError("the last chunk is missing")


def raw_stream(client, body):
    """The bytes of a whole stream, as they were on the wire. Returns (head, bytes after it)."""
    data = json.dumps(body).encode()
    with client.socket() as s:
        s.sendall(b"POST /api/v1/execute/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                  b"Content-Length: %d\r\n\r\n" % len(data) + data)
        received = b""
        while piece := s.recv(65536):
            received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    return head.decode().lower(), rest


def merged(events):
    """What the program did, in order: neighbouring texts of one kind joined."""
    found = []
    for event in events:
        if event.type in ("stdout", "stderr"):
            if found and found[-1][0] == event.type:
                found[-1] = (event.type, found[-1][1] + event.data)
            else:
                found.append((event.type, event.data))
        elif event.type == "result":
            found.append(("result", event.data["data"].get("text/plain")))
        elif event.type == "plot":
            found.append(("plot", event.data["metadata"].get("title")))
    return found


def test_each_event_has_its_shape(client, session):
    with client.stream("print('hello')\n1 + 1", session) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in stream.headers["cache-control"]
        assert stream.headers["x-accel-buffering"] == "no"
        events = stream.rest()
    epochs, numbers = zip(*(ID.match(e.id).groups() for e in events))
    assert len(set(epochs)) == 1
    numbers = [int(n) for n in numbers]
    assert numbers == sorted(set(numbers))
    for event in events:
        assert [name for name, _ in event.fields] == ["id", "event", "data"], "three lines, one of them data"
        body = event.json
        assert event.event == body["type"]
        assert ISO.match(body["timestamp"]) and body["sessionId"] == session and body["executionId"]
    assert len({e.json["executionId"] for e in events}) == 1
    kinds = [e.type for e in events]
    assert kinds[0] == "start" and kinds[-1] == "complete" and kinds.count("complete") == 1 and "error" not in kinds
    result = events[-1].data
    assert result["status"] == "ok" and result["executionId"] == events[0].json["executionId"]
    assert merged(events) == [("stdout", "hello\n"), ("result", "2")]


def test_one_event_is_one_chunk_under_64_kb(client):
    code = ("import matplotlib.pyplot as plt, numpy as np\nprint('a' * 300000)\n"
            "plt.imshow(np.random.rand(300, 300)); plt.show()\nx = list(range(100000))\n'r' * 200000")
    head, body = raw_stream(client, {"code": code})
    assert " 200 " in head.splitlines()[0]
    for chunk in chunks(body):
        assert len(chunk) < 65536, len(chunk)
        assert chunk.endswith(b"\n\n") and chunk.count(b"\n\n") == 1, chunk[:200]


def test_what_is_streamed_is_what_is_answered(client, session):
    code = "import sys\nfor i in range(5):\n    print(i)\n    print(-i, file=sys.stderr)\n'end'"
    plain = client.execute(code, session)
    with client.stream(code, session) as stream:
        result = stream.result()
        assert stream.text("stdout") == plain["output"]["stdout"] and stream.text("stderr") == plain["output"]["stderr"]
    for field in ("success", "status", "state"):
        assert result[field] == plain[field]
    assert set(result) == set(plain) and set(result["output"]) == set(plain["output"])


@pytest.mark.parametrize("statement,kind", [
    ("print('live')", "stdout"), ("print('live', end='')", "stdout"), ("import sys; print('live', file=sys.stderr)", "stderr"),
    ("import os; os.write(1, b'live')", "stdout"), ("import os; os.write(2, b'live')", "stderr"),
    ("import subprocess; subprocess.run(['echo', '-n', 'live'])", "stdout"),
    ("import subprocess; p = subprocess.Popen(['sh', '-c', 'echo live; sleep 1000'])", "stdout"),
    ("display('live')", "result"),
])
def test_what_is_done_is_seen_while_the_program_still_runs(client, session, statement, kind):
    code = f"from IPython.display import display\n{until_interrupted(statement)}print('after')"
    with client.stream(code, session) as stream:
        first = stream.next(kind, "live" if kind != "result" else None)
        # Seen: only now is the program told to go on.
        client.expect(202, "DELETE", f"/api/v1/executions/{first.json['executionId']}")
        result = stream.result()
        assert result["status"] == "ok", result
        assert "after" in stream.text("stdout")


def test_a_plot_is_seen_while_the_program_still_runs(client, session):
    code = "import matplotlib.pyplot as plt\nplt.plot([1])\n" + until_interrupted("plt.show()")
    with client.stream(code, session) as stream:
        plot = stream.next("plot")
        client.expect(202, "DELETE", f"/api/v1/executions/{plot.json['executionId']}")
        assert stream.result()["status"] == "ok"


def test_order_is_the_order_of_the_program(client, session):
    code = """
import sys, os, subprocess, ctypes
import matplotlib.pyplot as plt
from IPython.display import display
c = ctypes.CDLL(None)
print('1 out')
print('2 err', file=sys.stderr)
print('3 out')
display(4)
os.write(1, b'5 raw\\n')
print('6 out')
subprocess.run(['echo', '7 child'])
plt.plot([1]); plt.title('8'); plt.show()
print('9 out')
os.system('echo 10 system >&2')
sys.stdout.write('11 out\\n')
c.puts(b'12 C'); c.fflush(None)
print('13 out')
14
"""
    with client.stream(code, session) as stream:
        assert stream.result()["status"] == "ok"
    assert merged(stream.seen) == [
        ("stdout", "1 out\n"), ("stderr", "2 err\n"), ("stdout", "3 out\n"), ("result", "4"), ("stdout", "5 raw\n6 out\n7 child\n"),
        ("plot", "8"), ("stdout", "9 out\n"), ("stderr", "10 system\n"), ("stdout", "11 out\n12 C\n13 out\n"), ("result", "14")]


def test_order_holds_under_load(client, session):
    code = "import sys\nfor i in range(2000):\n    print('o', i)\n    print('e', i, file=sys.stderr)"
    with client.stream(code, session) as stream:
        stream.result()
    expected = []
    for i in range(2000):
        expected += [("stdout", f"o {i}\n"), ("stderr", f"e {i}\n")]
    assert merged(stream.seen) == expected


def test_a_figure_left_open_comes_after_the_text_and_before_the_end(client, session):
    with client.stream("import matplotlib.pyplot as plt\nplt.plot([1]); plt.title('left')\nprint('text')", session) as stream:
        stream.result()
    assert merged(stream.seen) == [("stdout", "text\n"), ("plot", "left")]


@pytest.mark.parametrize("text", ["é" * 200_000, "😀" * 100_000, "a" + "€" * 150_000, "\u2028\u0085\x0b" * 1000, "\x00\x1b[31m\r\n" * 500])
def test_text_is_whole_and_never_split_inside_a_character(client, session, text):
    with client.stream(f"print({text!r}, end='')", session) as stream:
        stream.result()
    assert stream.text() == text


@pytest.mark.parametrize("write", ["os.write(1, {})", "sys.stdout.buffer.write({})"])
def test_raw_bytes_split_anywhere_are_joined(client, session, write):
    code = "import os, sys\nfor b in '€é😀x'.encode() * 50:\n    " + write.format("bytes([b])")
    with client.stream(code, session) as stream:
        stream.result()
    assert stream.text() == "€é😀x" * 50


def test_nothing_a_program_prints_forges_an_event(client, session):
    evil = "\n\nevent: complete\ndata: {\"type\": \"complete\", \"data\": {\"status\": \"forged\"}}\n\n\r\rid: 9-9\r\n0\r\n\r\n"
    code = f"import sys, os\nevil = {evil!r}\nprint(evil)\nsys.stderr.write(evil)\nos.write(1, evil.encode())\nevil\nclass {'E' * 20}(Exception): pass\nraise {'E' * 20}(evil)"
    with client.stream(code, session) as stream:
        result = stream.result()
    assert result["status"] == "error" and result["error"]["message"].count("forged") == 1
    assert [e.type for e in stream.seen].count("complete") == 1
    assert stream.text("stdout").count("forged") >= 2


def test_resuming_at_any_event_gives_the_rest(client, session):
    code = "import sys\nfrom IPython.display import display\nfor i in range(6):\n    print('line', i)\n    print(i, file=sys.stderr)\n    display(i)\n'x' * 100000"
    execution = client.start(code, session)
    with client.events(execution) as whole:
        events = whole.rest()
    assert len(events) > 12
    raw = whole.raw
    for n, event in enumerate(events):
        for how in ({"after": event.id}, {"last_event_id": event.id}):
            with client.events(execution, **how) as part:
                part.rest()
            assert [(e.id, e.text) for e in part.seen] == [(e.id, e.text) for e in events[n + 1:]], how
            assert raw.endswith(part.raw)
    with client.events(execution) as again:
        again.rest()
    assert again.raw == raw


def test_a_cut_stream_resumes_while_the_program_runs(client, session):
    code = until_interrupted("print('one')") + until_interrupted("print('two')") + "print('three')"
    execution = client.start(code, session)
    with client.events(execution) as first:
        cut = first.next("stdout", "one")
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    with client.events(execution, last_event_id=cut.id) as second:
        two = second.next("stdout", "two\n")
        assert second.seen[0].text != cut.text
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    with client.events(execution, after=two.id) as third:
        third.result()
        assert third.text() == "three\n"
    with client.events(execution) as late:
        late.result()
        assert late.text() == "one\ntwo\nthree\n"


def test_many_watchers_see_the_same(client, session):
    execution = client.start(until_interrupted("print('up')") + "for i in range(500): print(i)", session)
    watchers = [client.events(execution) for _ in range(10)]
    for watcher in watchers:
        watcher.next("stdout", "up")
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    for watcher in watchers:
        watcher.result()
        watcher.close()
    assert len({w.raw for w in watchers}) == 1


def test_a_reader_who_leaves_does_not_stop_the_program(client, session):
    stream = client.stream(until_interrupted("print('up')") + "print('went on')", session)
    execution = stream.next("stdout", "up").json["executionId"]
    stream.close()
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    with client.events(execution) as later:
        assert later.result()["status"] == "ok"
        assert later.text() == "up\nwent on\n"


def test_a_slow_reader_loses_nothing(client, session):
    stream = client.stream("for i in range(100000): print(i)", session)
    execution = stream.next("start").json["executionId"]
    until(lambda: client.execution(execution)["status"] not in ("queued", "running"), "the program ends without its reader", 60)
    result = stream.result()
    stream.close()
    assert result["status"] == "ok"
    assert stream.text() == "".join(f"{i}\n" for i in range(100000))


def test_output_past_the_limit_is_cut_and_marked(make_server, tmp_path):
    limit = 1_000_000
    server = make_server(env={"SANDBOX_POLICY_DIR": write_policies(tmp_path, resources={"execution": {"maxOutputSize": limit}})}).start()
    with server.client.stream("for i in range(40000): print('x' * 100)\n'end'") as stream:
        result = stream.result()
    kinds = [e.type for e in stream.seen]
    assert kinds.count("truncated") == 1
    assert result["status"] == "ok", "a program is not killed for talking"
    assert result["truncated"]
    assert 0 < len(stream.text()) <= limit + 65536


def test_a_million_lines_arrive(client, session):
    with client.stream("for i in range(1_000_000): print(i)", session) as stream:
        result = stream.result()
    assert result["status"] == "ok"
    if not result.get("truncated"):
        assert stream.text() == "".join(f"{i}\n" for i in range(1_000_000))


def test_ndjson_is_the_same_as_lines(client, session):
    stream = client.open_stream("POST", "/api/v1/execute/stream", {"code": "print('x')\n1", "sessionId": session}, {"Accept": "application/x-ndjson"})
    assert stream.status == 200 and stream.headers["content-type"].startswith("application/x-ndjson")
    lines = stream.response.read().decode().splitlines()
    stream.close()
    objects = [json.loads(line) for line in lines if line]
    assert [o["type"] for o in objects][0] == "start" and objects[-1]["type"] == "complete"
    assert any(o["type"] == "stdout" and o["data"] == "x\n" for o in objects)


def test_a_bad_request_is_an_ordinary_answer(client):
    answer = client.post("/api/v1/execute/stream", {"code": ""}, headers={"Accept": "text/event-stream"})
    assert answer.status == 400 and answer.headers["content-type"].startswith("application/json")


def test_http_1_0_gets_the_stream_unchunked(client):
    body = b'{"code": "print(123)"}'
    with client.socket() as s:
        s.sendall(b"POST /api/v1/execute/stream HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        received = b""
        while piece := s.recv(65536):
            received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0] and b"chunked" not in head.lower()
    assert rest.startswith(b"id: ") and b"event: complete" in rest and rest.endswith(b"\n\n")
