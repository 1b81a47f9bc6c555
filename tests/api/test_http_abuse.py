"""HTTP as no client should speak it: a clear answer or a closed connection, never a hang, a crash or a starving neighbour."""

import contextlib
import json
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

from harness import until, until_interrupted

BODY = b'{"code": "print(1)"}'
GOOD = b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def connections(pid):
    """How many TCP sockets a process holds, listening ones included."""
    tcp = {line.split()[9] for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]}
    held = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            held.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return sum(name.startswith("socket:[") and name[8:-1] in tcp for name in held)


@pytest.fixture(autouse=True)
def unharmed(request):
    """After each abuse the same process serves a neighbour, and has given every connection back."""
    server = request.getfixturevalue("server")
    pid = server.server_pid()
    yield
    assert server.server_pid() == pid, "the server process is the same"
    result = server.client.execute("print('neighbour')")
    assert result["output"]["stdout"] == "neighbour\n"
    server.client.delete_session(result["sessionId"])
    until(lambda: connections(pid) <= 1, "every connection is given back")


def everything(s):
    data = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := s.recv(65536):
            data += piece
    return data


def send(s, data):
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        s.sendall(data)


def status_of(data):
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.") else None


def answer_to(client, data, half_close=True):
    with client.socket() as s:
        send(s, data)
        if half_close:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_WR)
        return everything(s)


def responses(data):
    """The answers on one connection, each with a Content-Length: [(status, body)]."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        length = int(fields.get(b"content-length", 0))
        found.append((status_of(head), rest[:length]))
        data = rest[length:]
    return found


@pytest.mark.parametrize("data", [
    b"\r\n\r\n", b"GARBAGE\r\n\r\n", b"\x00\x01\x02\x03" * 100, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n folded\r\n\r\n", b"get / http/1.1\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
], ids=range(19))
def test_malformed_heads(client, data):
    got = answer_to(client, data)
    assert got == b"" or 400 <= status_of(got) < 600 or (status_of(got) in (200, 204) and data.startswith((b"GET", b"OPTIONS"))), got[:300]
    assert b"root:" not in got


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/assets/../../../etc/passwd", "/%00", "/.%00./"])
def test_paths_do_not_leave(client, path):
    got = answer_to(client, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert got == b"" or status_of(got) >= 400, got[:200]
    assert b"root:" not in got


@pytest.mark.parametrize("data,statuses", [
    (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", (414, 431, 400)),
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Big: " + b"b" * 1_000_000 + b"\r\n\r\n", (431, 400)),
    (b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(50_000)) + b"\r\n", (431, 400)),
    (b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n{", (413,)),
    (b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999999\r\n\r\n{", (413, 400)),
], ids=["target", "field", "fields", "body", "length overflows"])
def test_what_is_too_big_is_said_early(client, data, statuses):
    """The answer comes without the rest being waited for: we never close our side."""
    got = answer_to(client, data, half_close=False)
    assert got == b"" or status_of(got) in statuses, got[:200]
    if statuses == (413,):
        assert status_of(got) == 413 and json.loads(got.partition(b"\r\n\r\n")[2])["statusCode"] == 413


def test_a_huge_body_that_is_really_sent(client):
    with client.socket() as s:
        send(s, b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 200000000\r\n\r\n")
        piece = b" " * 1_000_000
        with contextlib.suppress(OSError):
            for _ in range(200):
                s.sendall(piece)
        got = everything(s)
    assert got == b"" or status_of(got) == 413, got[:200]


def test_a_huge_chunked_body(client):
    with client.socket() as s:
        send(s, b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(100):
                s.sendall(piece)
        got = everything(s)
    assert got == b"" or status_of(got) in (413, 411, 400), got[:200]


def test_a_chunked_body_is_a_body(client):
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (BODY[:5], BODY[5:6], BODY[6:])) + b"0\r\n\r\n"
    got = answer_to(client, b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n"
                            b"Transfer-Encoding: chunked\r\n\r\n" + chunked, half_close=False)
    assert status_of(got) in (200, 411), got[:300]


@pytest.mark.parametrize("fields", [
    b"Content-Length: 20\r\nContent-Length: 21\r\n", b"Content-Length: 20\r\nTransfer-Encoding: chunked\r\n", b"Transfer-Encoding: chunked\r\nContent-Length: 20\r\n",
    b"Content-Length: -1\r\n", b"Content-Length: +20\r\n", b"Content-Length: 20, 21\r\n", b"Content-Length: 0x14\r\n", b"Content-Length: \r\n", b"Content-Length: 2 0\r\n",
    b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
], ids=range(13))
def test_conflicting_lengths_never_smuggle(client, fields):
    """Whatever the first answer is, the bytes that follow are not taken for a request of their own."""
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"
    got = answer_to(client, b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + fields + b"\r\n0\r\n\r\n" + smuggled)
    assert b"smuggled" not in got, got[:600]
    assert got == b"" or status_of(got) >= 400, got[:300]


@pytest.mark.parametrize("body", [b"zz\r\nabc\r\n0\r\n\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"-5\r\nabc\r\n", b"ffffffffffffffffff\r\nabc\r\n", b"3;x=" + b"y" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
                                  b"3\nabc\n0\n\n"], ids=range(6))
def test_malformed_chunks(client, body):
    got = answer_to(client, b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert got == b"" or status_of(got) >= 400, got[:300]


@pytest.mark.parametrize("body", [b"", b"{", b"}", b'{"code": "1"', b'{"code": 1}', b"\xff\xfe{\x00}", b'{"code": "\x00"}', b'{"code": "\\ud800"}'[:-2], b"[" * 200_000, b'{"a":' * 100_000,
                                  b'{"code": "1", "code": "2"}x', b"nul", b"1e999999", b'{"code": "\xc3"}', b"{\"code\": '1'}", b"\xef\xbb\xbf{}"], ids=range(16))
def test_malformed_json(client, body):
    answer = client.post("/api/v1/execute", body)
    assert answer.status == 400 and answer.json["code"] and answer.json["message"], answer
    stream = client.post("/api/v1/execute/stream", body)
    assert stream.status == 400, stream


def test_pipelined_requests_are_answered_in_order(client):
    session = client.session()
    requests = b""
    for n in range(20):
        body = json.dumps({"code": f"print({n})", "sessionId": session}).encode()
        requests += b"POST /api/v1/execute HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    requests += b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with client.socket() as s:
        send(s, requests)
        got = responses(everything(s))
    client.delete_session(session)
    assert [status for status, _ in got] == [200] * 21
    assert [json.loads(b)["output"]["stdout"] for _, b in got[:20]] == [f"{n}\n" for n in range(20)]
    assert json.loads(got[20][1])["status"] == "healthy"


def test_a_pipelined_request_behind_a_stream_waits_for_its_end(client):
    body = b'{"code": "for i in range(100): print(i)"}'
    first = b"POST /api/v1/execute/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    got = answer_to(client, first + b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", half_close=False)
    stream, end, second = got.partition(b"0\r\n\r\n")
    assert b"event: complete" in stream and end
    assert second == b"" or status_of(second) == 200


def test_a_flood_of_pipelined_requests_does_not_grow_without_end(server):
    pid = server.server_pid()
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.client.socket() as s:
        s.settimeout(1)
        with contextlib.suppress(OSError):
            for _ in range(400):
                s.sendall(request * 1000)  # answers are never read
        assert server.client.get("/health").status == 200
        memory = int(next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS")).split()[1])
    assert memory < 400_000, f"{memory} kB"


@pytest.mark.parametrize("step", [1, 7])
def test_a_request_in_small_pieces_is_a_request(client, step):
    with client.socket() as s:
        for at in range(0, len(GOOD), step):
            s.sendall(GOOD[at:at + step])
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(65536)
    assert status_of(head) == 200


def test_leaving_at_every_byte(client):
    """Every prefix of a request, then gone: by a close, and by a reset."""
    for request in (GOOD, GOOD.replace(b"/execute ", b"/execute/stream ")):
        for at in range(0, len(request) + 1):
            s = client.socket()
            s.sendall(request[:at])
            if at % 2:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    listed = client.expect(200, "GET", "/api/v1/sessions?limit=100")
    for found in listed["sessions"]:
        client.delete_session(found["id"])


def test_leaving_at_every_point_of_an_answer(client, session):
    code = until_interrupted("print('x' * 1000)") + "print('y' * 1000)"
    for n in range(0, 1500, 100):
        stream = client.stream(code, session)
        execution = stream.next("stdout").json["executionId"]
        stream.close()
        client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        cut = client.socket()
        cut.sendall(f"GET /api/v1/executions/{execution}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        cut.recv(n + 1)
        cut.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cut.close()
        with client.events(execution) as whole:
            assert whole.result()["status"] == "ok" and whole.text() == "x" * 1000 + "\n" + "y" * 1000 + "\n"


@contextlib.contextmanager
def half_open(client, number, data=b""):
    sockets = []
    try:
        for _ in range(number):
            s = client.socket()
            if data:
                s.sendall(data)
            sockets.append(s)
        yield sockets
    finally:
        for s in sockets:
            s.close()


@pytest.mark.parametrize("data", [b"", b"G", b"GET /health HTTP/1.1\r\nHost: loc", GOOD[:-1]], ids=["silent", "one byte", "half a head", "half a body"])
def test_neighbours_of_half_open_connections_are_served(client, data):
    with half_open(client, 300, data):
        for n in range(20):
            assert client.stdout(f"print({n})") == f"{n}\n"
        listed = client.expect(200, "GET", "/api/v1/sessions?limit=100")
        for found in listed["sessions"]:
            client.delete_session(found["id"])


def test_a_head_that_never_ends_is_cut_off(make_server):
    server = make_server(env={"SANDBOX_HEAD_TIMEOUT": "2000"}).start()
    stop = threading.Event()
    with server.client.socket() as slow, server.client.socket() as silent, server.client.socket() as body:
        body.sendall(GOOD[:-1])
        silent.sendall(b"GET /he")
        slow.sendall(b"GET /health HTTP/1.1\r\nX-A: ")

        def dribble():
            with contextlib.suppress(OSError):
                while not stop.wait(0.02):
                    slow.sendall(b"b")

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            for s in (slow, silent, body):
                got = everything(s)
                assert got == b"" or status_of(got) == 408, got[:200]
        finally:
            stop.set()
            thread.join()


def test_a_reader_who_reads_nothing_does_not_hold_the_others(server, client):
    """Twenty streams of a lot of output that nobody reads; the neighbours' answers and the server's memory stay as they are."""
    pid = server.server_pid()
    sessions = [client.session() for _ in range(20)]
    streams = []
    for session in sessions:
        body = json.dumps({"code": "for i in range(3000): print('x' * 1000)", "sessionId": session}).encode()
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", client.port))
        s.sendall(b"POST /api/v1/execute/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        streams.append(s)
    for n in range(20):
        assert client.stdout(f"print({n})") == f"{n}\n"
    memory = int(next(l for l in open(f"/proc/{pid}/status") if l.startswith("VmRSS")).split()[1])
    assert memory < 400_000, f"{memory} kB"
    for s in streams:
        s.close()
    for session in sessions:
        client.delete_session(session)
    for found in client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]:
        client.delete_session(found["id"])


def test_many_at_once(client):
    """A hundred clients, each with a session of its own, all correct."""
    wrong = []

    def one(n):
        try:
            result = client.execute(f"print({n} * 2)")
            if result["output"]["stdout"] != f"{n * 2}\n":
                wrong.append(result)
            client.delete_session(result["sessionId"])
        except Exception as failed:  # noqa: BLE001 - whatever it is, it is the finding
            wrong.append(failed)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]
    for found in listed:
        client.delete_session(found["id"])
    refused = [w for w in wrong if "RATE" in str(w) or " 429 " in str(w) or "<503" in str(w) or "<429" in str(w)]
    assert wrong == refused, wrong[:3]
    assert len(refused) <= 60, "the limit of concurrent sessions may refuse some, with a clear answer"


def test_expect_100_continue(client):
    with client.socket() as s:
        s.sendall(GOOD.split(b"\r\n\r\n")[0] + b"\r\nExpect: 100-continue\r\n\r\n")
        first = s.recv(65536)
        assert status_of(first) in (100, 417, 200), first
        if status_of(first) == 100:
            s.sendall(BODY)
            rest = first.partition(b"\r\n\r\n")[2]
            while b"\r\n\r\n" not in rest:
                rest += s.recv(65536)
            assert status_of(rest) == 200


def test_keep_alive_over_many_requests(client):
    connection = client.connect()
    for n in range(200):
        connection.request("GET", "/health")
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
    connection.close()


def test_a_body_of_too_many_values_is_not_read(client):
    answer = client.post("/api/v1/execute", '{"code": "1", "metadata": [' + "{}," * 300_000 + "1]}")
    assert answer.status == 400 and answer.json["code"] == "INVALID_JSON" and "too many values" in answer.json["message"], answer
    assert client.post("/api/v1/execute", '{"code": "print(len(x))", "variables": {"x": [' + "1," * 300_000 + "1]}}").json["output"]["stdout"] == "300001\n"
