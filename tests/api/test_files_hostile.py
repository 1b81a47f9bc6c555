"""A session's files over HTTP: what is refused, what hostile programs do to them meanwhile, and how much there may be."""

import os
import re
import threading
import time
import uuid
from urllib.parse import quote

import pytest

from harness import until, write_policies
from harness.files import Files, assert_error, form, post

NOBODY = str(uuid.UUID(int=7))


# -- refusals --


def test_what_is_not_there(files):
    assert_error(files.get("nothing", 404), 404, "FILE_NOT_FOUND")
    assert_error(files.get("no/thing", 404), 404, "FILE_NOT_FOUND")
    assert_error(files.client.get(f"{files.base}?path=nothing"), 404, "FILE_NOT_FOUND")
    assert_error(files.client.get(f"{files.base}?path=nothing&depth=0"), 404, "FILE_NOT_FOUND")
    for depth in ("-1", "33", "x"):
        assert_error(files.client.get(f"{files.base}?depth={depth}"), 400, "VALIDATION_ERROR")
    for method in ("GET", "PUT", "DELETE"):
        assert_error(Files(files.client, NOBODY).request(method, "f", b"x" if method == "PUT" else None), 404, "SESSION_NOT_FOUND")
        assert_error(Files(files.client, "nonsense").request(method, "f", b"x" if method == "PUT" else None), 404, "SESSION_NOT_FOUND")
    assert_error(files.client.get(f"/api/v1/sessions/{NOBODY}/files"), 404, "SESSION_NOT_FOUND")
    assert_error(post(Files(files.client, NOBODY), *form(("f", "a", b"1"))), 404, "SESSION_NOT_FOUND")
    assert_error(files.client.request("PATCH", f"{files.base}/f", b""), 405, "METHOD_NOT_ALLOWED")
    gone = Files(files.client, files.client.session())
    gone.client.delete_session(gone.session)
    assert_error(gone.get("f", 410), 410, "SESSION_GONE")
    assert_error(gone.request("PUT", "f", b"x"), 410, "SESSION_GONE")


def test_the_wrong_kind(files):
    files.put("d/f", b"1")
    files.run("import socket; socket.socket(socket.AF_UNIX).bind('sock')")
    assert_error(files.get("d", 409), 409, "IS_A_DIRECTORY")
    assert_error(files.request("PUT", "d", b"x"), 409, "IS_A_DIRECTORY")
    assert_error(files.request("PUT", "d/f/g", b"x"), 409, "NOT_A_DIRECTORY")
    assert_error(files.get("d/f/g", 404), 404, "FILE_NOT_FOUND")
    assert_error(files.client.get(f"{files.base}?path=d/f"), 409, "NOT_A_DIRECTORY")
    assert_error(files.get("sock", 422), 422, "NOT_A_FILE")
    assert files.put("sock", b"now a file", status=200) and files.read("sock") == b"now a file"
    assert list(files.entries("d")) == ["d/f"], "failed uploads leave nothing"
    files.run("import os; os.mkdir('locked'); open('locked/f', 'w').close(); os.chmod('locked', 0); open('mute', 'w').close(); os.chmod('mute', 0)")
    assert_error(files.get("locked/f", 403), 403, "FILE_FORBIDDEN")
    assert_error(files.get("mute", 403), 403, "FILE_FORBIDDEN")
    assert_error(files.request("PUT", "locked/g", b""), 403, "FILE_FORBIDDEN")
    files.run("import os; os.chmod('locked', 0o700)")


TRAVERSALS = ["../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "%2e%2e%2fetc/passwd", "a/../../etc/passwd", "/etc/passwd", "%2fetc%2fpasswd",
              "//etc/passwd", "./a", "a/./b", "a//b", "..", ".", "%2e", "a/..", ".penny-upload-x", "a%00b", "%00", "a%ff", "x" * 256, "d/" * 600 + "x"]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_paths_that_are_none(tier_server, path):
    client = tier_server.client
    session = client.session()
    before = sorted(os.listdir("/")), os.stat("/etc/passwd").st_mtime_ns
    for method, body in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
        with client.socket() as s:
            length = "" if body is None else f"Content-Length: {len(body)}\r\n"
            s.sendall(f"{method} /api/v1/sessions/{session}/files/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n".encode() + (body or b""))
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        assert re.match(rb"HTTP/1.1 40[04] ", answer), (method, answer)
        assert b"root:" not in answer
    if "\0" not in path and "%" not in path:
        answer = client.get(f"/api/v1/sessions/{session}/files?path={quote(path)}&depth=0")
        assert answer.status == (200 if path == "." else 400), answer
    assert before == (sorted(os.listdir("/")), os.stat("/etc/passwd").st_mtime_ns)
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}/files")["entries"] == []
    client.delete_session(session)


def test_links_that_lead_out(tier_files):
    files = tier_files
    files.run("""
import os
for n, target in enumerate(['/etc/passwd', '/', '..', '../..', '/proc/1/root', '/proc/self/root/etc/passwd', '/proc/self/fd/0', '/tmp', os.path.abspath('/dev/zero'), os.getcwd()]):
    os.symlink(target, f'out{n}')
os.mkdir('d'); os.symlink('../../../../../../etc', 'd/deep'); os.symlink('loop', 'loop')
open('own.txt', 'w').write('own'); os.symlink('own.txt', 'near'); os.symlink('../own.txt', 'd/near')
""")
    for name in [f"out{n}" for n in range(10)] + ["out1/etc/passwd", "out2/etc/passwd", "out3/tmp", "d/deep", "d/deep/passwd", "loop", "out7/x"]:
        answer = files.request("GET", name)
        assert answer.status in (403, 404, 409, 422), (name, answer)
        assert b"root:" not in answer.body
        assert files.client.get(f"{files.base}?path={name}").status in (403, 404, 409, 422)
    for name in ("out7/made", "out2/made", "d/deep/made", "out9/made"):
        assert files.request("PUT", name, b"x").status in (403, 404, 409), name
        assert files.request("DELETE", name).status in (403, 404, 409), name
    assert files.run("import os; print(os.path.exists('/tmp/made'))") == "False\n"
    for name in ("near", "d/near"):  # within the workspace they are followed, where the kernel can be asked to do so
        assert files.read(name) == b"own"
    assert files.put("out0", b"mine", status=200) and files.read("out0") == b"mine", "a link is replaced, not followed"
    assert files.request("DELETE", "out1").status == 200, "a link is removed, not followed"


def test_races_lead_nowhere(tier_files):
    """A program exchanges a directory with a link that leads out while downloads, uploads and deletes go through it."""
    files = tier_files
    files.run("import os\nos.mkdir('d'); open('d/passwd', 'w').write('within'); os.symlink('/etc', 'out')")
    execution = files.client.start("""
import ctypes, os
libc = ctypes.CDLL(None)
print('up', flush=True)
while True:
    libc.renameat2(-100, b'd', -100, b'out', 2)
    os.symlink('/etc/passwd', 'f2'); os.rename('f2', 'f')
    open('f3', 'w').write('within'); os.rename('f3', 'f')
""", files.session, timeout=60000)
    with files.client.events(execution) as events:
        events.next("stdout", "up")
        end, reached, statuses = time.monotonic() + 4, 0, set()
        while time.monotonic() < end or (not reached and time.monotonic() < end + 20):
            for path in ("d/passwd", "f"):
                answer = files.request("GET", path)
                statuses.add(answer.status)
                assert answer.status in (200, 403, 404, 409, 503), answer
                if answer.status == 200:
                    assert answer.body in (b"within", b""), answer
                    reached += answer.body == b"within"
            assert files.request("PUT", "d/new", b"x").status in (200, 201, 403, 404, 409, 503)
            assert files.request("DELETE", "d/new").status in (200, 403, 404, 409, 503)
        assert reached and 403 in statuses or 404 in statuses or 409 in statuses
    files.client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    assert not os.path.exists("/etc/new")


# -- files that change while they are read --


def test_growing_shrinking_and_sparse_files(files):
    files.run("f = open('sparse', 'wb'); f.truncate(50_000_000); f.close()")
    assert files.read("sparse") == bytes(50_000_000)
    files.run("open('growing', 'wb').write(b'x' * 10_000_000)")
    connection = files.client.connect()
    connection.request("GET", f"{files.base}/growing")
    response = connection.getresponse()
    files.run("open('growing', 'ab').write(b'y' * 10_000_000)")
    assert response.read() == b"x" * 10_000_000, "as long as it was when it was opened"
    connection.close()
    files.put("shrinking", b"x" * 90_000_000)
    with files.client.socket() as s:
        s.sendall(f"GET {files.base}/shrinking HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        got = s.recv(1000)
        assert b"Content-Length: 90000000\r\n" in got
        files.run("open('shrinking', 'w').close()")
        while piece := s.recv(1 << 20):
            got += piece
    assert len(got) < 90_000_000, "the connection is cut, so that a client sees that it has not got all"


def test_a_slow_reader_does_not_hold_others_up(files):
    files.put("big", bytes(90_000_000))
    with files.client.socket() as s:
        s.sendall(f"GET {files.base}/big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        s.recv(100)
        for _ in range(20):
            assert files.run("print(1)") == "1\n"
        total = 0
        while piece := s.recv(1 << 20):
            total += len(piece)
    assert total > 89_999_000


def test_a_session_that_ends_cuts_its_downloads_and_uploads(server, client):
    files = Files(client, client.session())
    files.put("big", bytes(90_000_000))
    with client.socket() as down, client.socket() as up:
        down.sendall(f"GET {files.base}/big HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        down.recv(100)
        up.sendall(f"PUT {files.base}/new HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc".encode())
        until(lambda: files.run("import os; print(any(n.startswith('.penny-upload-') for n in os.listdir()))") == "True\n", "the upload has begun")
        client.delete_session(files.session)
        total = 0
        while piece := down.recv(1 << 20):
            total += len(piece)
        assert total < 90_000_000
        assert up.recv(1000).startswith(b"HTTP/1.1 503 ")


def test_an_upload_that_is_broken_off_leaves_nothing(files):
    files.put("f", b"before")
    for ending in ("close", "garbage"):
        with files.client.socket() as s:
            s.sendall(f"PUT {files.base}/f HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".encode())
            until(lambda: files.run("import os; print(len(os.listdir()))") == "2\n", "the upload has begun")
            assert list(files.entries()) == ["f"], "what is not whole is not listed"
            if ending == "garbage":
                s.sendall(b"nonsense\r\n")
                assert s.recv(1000).startswith(b"HTTP/1.1 400 ")
        until(lambda: files.run("import os; print(os.listdir())") == "['f']\n", "nothing is left")
        assert files.read("f") == b"before"


def test_a_reader_sees_the_old_file_or_the_new_one(files):
    one, two = b"1" * 2_000_000, b"2" * 2_000_000
    files.put("f", one)
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            files.put("f", two)
            files.put("f", one)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(30):
            assert files.read("f") in (one, two)
    finally:
        stop.set()
        thread.join()


def test_files_are_there_while_a_cell_runs_and_after_its_interpreter_died(files):
    execution = files.client.start("import time\nopen('made', 'w').write('x')\nprint('up')\ntime.sleep(1000)", files.session)
    with files.client.events(execution) as events:
        events.next("stdout", "up")
        assert files.read("made") == b"x"
        files.put("given", b"y")
        files.client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        events.result()
    assert files.run("print(open('given').read())") == "y\n"
    assert files.client.execute("import os; os.kill(os.getpid(), 9)", files.session)["status"] == "killed"
    assert files.read("given") == b"y"


# -- limits --


@pytest.fixture
def small_server(make_server, tmp_path):
    policies = write_policies(tmp_path, resources={"storage": {"maxFileSize": 100_000, "maxTotalStorage": 400_000, "maxFiles": 16, "maxDirectories": 4,
                                                                    "blockedFileTypes": [".exe", ".tar.gz"]}},
                              filesystem={"quotas": {}, "permissions": {}})
    os.chmod(tmp_path, 0o755)
    return lambda tier: make_server(tier=tier, env={"SANDBOX_POLICY_DIR": policies}).start()


def readable(path):
    """pytest's own directories are closed to the servers of other users."""
    for parent in [path, *path.parents]:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)


@pytest.mark.parametrize("tier", ["root", "user", "process"])
def test_quotas(small_server, tmp_path, tier):
    from harness import tier_reason
    if tier_reason(tier):
        pytest.skip(tier_reason(tier))
    readable(tmp_path)
    client = small_server(tier).client
    files = Files(client, client.session())
    assert_error(files.request("PUT", "f", bytes(100_001)), 413, "FILE_TOO_LARGE")
    assert_error(post(files, *form(("f", "f", bytes(100_001)))), 413, "FILE_TOO_LARGE")
    connection = client.connect()
    connection.request("PUT", f"{files.base}/f", (bytes(50_000) for _ in range(3)), {"Content-Type": "x/y"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    for name in ("a.exe", "d/b.EXE", "c.tar.gz"):
        assert_error(files.request("PUT", name, b""), 422, "FILE_TYPE_NOT_ALLOWED")
        assert_error(post(files, *form(("f", name, b""))), 422, "FILE_TYPE_NOT_ALLOWED")
        assert client.post("/api/v1/execute", {"code": "1", "files": {name: ""}}).status == 400
    until(lambda: files.run("import os; print(os.listdir())") == "[]\n", "nothing is left of what was refused")
    for name in "abc":
        files.put(name, bytes(100_000), status=201)
    assert_error(files.request("PUT", "d", bytes(100_000)), 507, "WORKSPACE_FULL")
    answer = post(files, *form(("f", "small", b"1"), ("f", "d", bytes(100_000))))
    assert_error(answer, 507, "WORKSPACE_FULL")
    assert [f["path"] for f in answer.json["saved"]] == ["small"]
    result = client.execute("1", files.session, files={"d": "x" * 100_000})
    assert result["status"] == "rejected" and result["error"]["type"] == "WORKSPACE_FULL" and result["state"] == "kept", result
    assert files.run("print(1)") == "1\n", "and the session goes on"
    assert files.request("DELETE", "a").status == 200
    files.put("d", bytes(90_000), status=201)
    for name in "abcd":
        files.request("DELETE", name)
    count = 0
    while (answer := files.request("PUT", f"n{count}", b"")).status == 201:
        count += 1
        assert count < 100
    assert_error(answer, 507, "WORKSPACE_FULL")
    assert 10 <= count <= 20, count


def test_a_huge_directory(files):
    files.run("import os\nos.mkdir('many')\nfor n in range(9000): open(f'many/{n}', 'w').close()")
    started = time.monotonic()
    assert len(files.entries("many")) == 9000
    assert len(files.entries(depth=2)) == 9001
    assert time.monotonic() - started < 30
    assert files.request("DELETE", "many", query="?recursive=true").status == 200
    assert files.entries() == {}


def test_names_that_are_not_utf_8(files):
    files.run("open(b'bad\\xff\\xc3', 'w').close()")
    assert list(files.entries()) == ["bad\ufffd\ufffd"]


def test_many_requests_at_once(files):
    files.put("f", b"x" * 100_000)
    failures = []

    def work(n):
        for i in range(15):
            try:
                files.put(f"t{n}/{i}", b"y" * i)
                assert files.read(f"t{n}/{i}") == b"y" * i
                assert len(files.read("f")) == 100_000
            except AssertionError as e:
                failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert len(files.entries(depth=2)) == 12 * 16 + 1
