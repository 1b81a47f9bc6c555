"""A session's files over HTTP: put, got, listed and deleted; what is refused; and what hostile programs do to them meanwhile."""

import base64
import hashlib
import json
import os
import re
import threading
import time
import uuid
from urllib.parse import quote

import pytest

from harness import until, write_policies

NOBODY = str(uuid.UUID(int=7))


class Files:
    """The files of one session."""

    def __init__(self, client, session):
        self.client, self.session = client, session
        self.base = f"/api/v1/sessions/{session}/files"

    def request(self, method, path, body=None, headers=None, query=""):
        if body is not None:
            headers = {"Content-Type": "application/octet-stream", **(headers or {})}
        return self.client.request(method, f"{self.base}/{quote(path)}{query}", body, headers)

    def put(self, path, body=b"", status=None, **kw):
        answer = self.request("PUT", path, body, **kw)
        assert answer.status == status if status else answer.status in (200, 201), answer
        return answer.json

    def get(self, path, status=200, **headers):
        answer = self.request("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})
        assert answer.status == status, answer
        return answer

    def read(self, path):
        return self.get(path).body

    def entries(self, path="", depth=1):
        answer = self.client.expect(200, "GET", f"{self.base}?path={quote(path)}&depth={depth}")
        assert answer["path"] == path
        return {e["path"]: e for e in answer["entries"]}

    def run(self, code, **fields):
        return self.client.stdout(code, self.session, **fields)


@pytest.fixture
def files(client, session):
    return Files(client, session)


@pytest.fixture
def tier_files(tier_server):
    session = tier_server.client.session()
    yield Files(tier_server.client, session)
    tier_server.client.delete_session(session)


def assert_error(answer, status, code):
    body = answer.json
    assert (answer.status, body["statusCode"], body["code"]) == (status, status, code), answer
    assert body["message"] and body["error"]


# -- put, get, list, delete --


def test_a_file_goes_in_and_out(tier_files):
    files, data = tier_files, os.urandom(3_000_000)
    assert files.put("a/b/data.bin", data, status=201) == {"path": "a/b/data.bin", "size": len(data)}
    assert files.run("import hashlib; print(hashlib.sha256(open('a/b/data.bin','rb').read()).hexdigest())").strip() == hashlib.sha256(data).hexdigest()
    answer = files.get("a/b/data.bin")
    assert answer.body == data
    assert int(answer.headers["content-length"]) == len(data)
    assert files.put("a/b/data.bin", b"less", status=200)["size"] == 4
    assert files.read("a/b/data.bin") == b"less"
    files.run("open('a/b/data.bin', 'a').write(' and more')")
    assert files.read("a/b/data.bin") == b"less and more"


def test_the_file_is_the_sessions_own(tier_files):
    tier_files.put("d/f.txt", b"x")
    seen = tier_files.run("import os, stat\nfor p in ('d', 'd/f.txt'):\n    s = os.stat(p); print(s.st_uid == os.getuid(), oct(s.st_mode & 0o777))\n"
                          "os.rename('d/f.txt', 'g'); os.rmdir('d')")
    assert seen == "True 0o755\nTrue 0o644\n"
    assert tier_files.read("g") == b"x"


def test_empty_files_and_odd_names(files):
    for name in ("empty", "with space & ?#%.txt", "ünï/cödé.txt", "quote\".txt", "-dash", "a'b;c", "new\nline", "..x", "...", "a.b..c", "x" * 255):
        assert files.put(name, b"", status=201) == {"path": name, "size": 0}
        answer = files.get(name)
        assert answer.body == b"" and answer.headers["content-length"] == "0"
        assert name in files.entries(depth=2)
    assert files.run("import os; print(len(os.listdir()))") == "11\n"


def test_a_big_file_in_chunks(files):
    piece, count = os.urandom(1 << 20), 40
    connection = files.client.connect()
    connection.request("PUT", f"{files.base}/big", (piece for _ in range(count)), {"Content-Type": "application/octet-stream"}, encode_chunked=True)
    answer = connection.getresponse()
    assert answer.status == 201 and json.loads(answer.read())["size"] == count << 20
    connection.close()
    assert hashlib.sha256(files.read("big")).digest() == hashlib.sha256(piece * count).digest()


def test_list(files):
    files.put("b.txt", b"12345")
    files.put("d/e/f.txt", b"x")
    files.run("import os, socket; os.symlink('b.txt', 'link'); socket.socket(socket.AF_UNIX).bind('sock')")
    top = files.entries()
    assert list(top) == ["b.txt", "d", "link", "sock"], "sorted by path"
    assert top["b.txt"] | {"modified": 0} == {"name": "b.txt", "path": "b.txt", "type": "file", "size": 5, "mode": 0o644, "modified": 0}
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", top["b.txt"]["modified"])
    assert [top[p]["type"] for p in ("d", "link", "sock")] == ["directory", "symlink", "other"]
    assert list(files.entries("d")) == ["d/e"]
    assert list(files.entries(depth=3)) == ["b.txt", "d", "d/e", "d/e/f.txt", "link", "sock"]
    assert files.entries("d/e/f.txt", depth=0)["d/e/f.txt"]["size"] == 1
    assert files.entries("link", depth=0)["link"]["type"] == "symlink"
    for root in ("?path=", "?path=.", "?path=%2F", ""):
        assert len(files.client.expect(200, "GET", files.base + root)["entries"]) == 4


def test_delete(files):
    files.put("d/a", b"1")
    files.put("d/e/b", b"2")
    assert_error(files.request("DELETE", "d"), 409, "DIRECTORY_NOT_EMPTY")
    assert files.request("DELETE", "d/a").json == {"success": True, "path": "d/a"}
    assert_error(files.request("DELETE", "d/a"), 404, "FILE_NOT_FOUND")
    files.run("import os; os.symlink('/tmp', 'd/e/out'); open('/tmp/kept', 'w').close()")
    assert files.request("DELETE", "d", query="?recursive=true").status == 200
    assert files.entries() == {}
    assert files.run("import os; print(os.path.exists('/tmp/kept'))") == "True\n"
    assert_error(files.request("DELETE", "x", query="?recursive=perhaps"), 400, "VALIDATION_ERROR")


def test_head_tells_what_get_would(files):
    files.put("f", b"hello")
    head = files.request("HEAD", "f", None, {"Range": "bytes=0-1"})
    assert head.status == 200 and head.body == b"" and head.headers["content-length"] == "5"
    got = files.get("f")
    for name in ("last-modified", "accept-ranges", "content-type", "content-disposition"):
        assert head.headers[name] == got.headers[name]


# -- ranges and conditions --


@pytest.mark.parametrize("given,status,part", [
    ("bytes=0-0", 206, (0, 0)), ("bytes=2-4", 206, (2, 4)), ("bytes=5-", 206, (5, 9)), ("bytes=-3", 206, (7, 9)), ("bytes=-99", 206, (0, 9)),
    ("bytes=0-99", 206, (0, 9)), ("Bytes=1-1", 206, (1, 1)), ("bytes=10-", 416, None), ("bytes=-0", 416, None), ("bytes=99-100", 416, None),
    ("bytes=4-2", 200, None), ("bytes=a-b", 200, None), ("lines=1-2", 200, None), ("bytes=", 200, None), ("bytes=1-2,4-5", 200, None),
    ("bytes=99999999999999999999-", 200, None), ("bytes=--1", 200, None),
])
def test_ranges(files, given, status, part):
    files.put("f", b"0123456789")
    answer = files.get("f", status, Range=given)
    if status == 206:
        assert answer.body == b"0123456789"[part[0]:part[1] + 1]
        assert answer.headers["content-range"] == f"bytes {part[0]}-{part[1]}/10"
    elif status == 416:
        assert answer.headers["content-range"] == "bytes */10" and answer.json["code"] == "RANGE_NOT_SATISFIABLE"
    else:
        assert answer.body == b"0123456789" and "content-range" not in answer.headers


def strong_tag(files, path):
    """The file's tag once it has been left alone for a moment."""
    return until(lambda: (lambda tag: None if tag.startswith("W/") else tag)(files.get(path).headers["etag"]), "the tag becomes strong")


def test_tags(files):
    files.put("f", b"one")
    assert files.get("f").headers["etag"].startswith("W/"), "changed within this moment"
    tag = strong_tag(files, "f")
    for condition in (tag, f'"other", {tag}', "W/" + tag, "*"):
        answer = files.get("f", 304, If_None_Match=condition)
        assert answer.body == b"" and answer.headers["etag"] == tag
    assert files.get("f", If_None_Match='"other"').body == b"one"
    assert files.get("f", 206, Range="bytes=1-", If_Range=tag).body == b"ne"
    for condition in ("W/" + tag, '"other"', "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert files.get("f", 200, Range="bytes=1-", If_Range=condition).body == b"one"
    date = files.get("f").headers["last-modified"]
    assert files.get("f", 304, If_Modified_Since=date)
    assert files.get("f", 200, If_Modified_Since="Sun, 06 Nov 1994 08:49:37 GMT")
    files.run("open('f', 'w').write('two')")
    assert files.get("f", 200, If_None_Match=tag).body == b"two", "of the same size"


def test_put_only_what_is_new(files):
    files.put("f", b"first", status=201, headers={"If-None-Match": "*"})
    assert_error(files.request("PUT", "f", b"second", {"If-None-Match": "*"}), 412, "FILE_EXISTS")
    assert files.read("f") == b"first"


def test_a_browser_saves_and_never_runs(files):
    files.put("evil \"x\".html", b"<script>alert(1)</script>")
    headers = files.get("evil \"x\".html").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-disposition"] == "attachment; filename=\"evil _x_.html\"; filename*=UTF-8''evil%20%22x%22.html"
    assert "sandbox" in headers["content-security-policy"]
    files.put("a\r\nSet-Cookie: x=y\u20ac", b"")
    headers = files.get("a\r\nSet-Cookie: x=y\u20ac").headers
    assert "set-cookie" not in headers and "%0D%0ASet-Cookie" in headers["content-disposition"]


# -- forms --


def form(*parts, boundary="XxBoundaryxX"):
    lines = b""
    for name, filename, data in parts:
        lines += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode() + (f'; filename="{filename}"'.encode() if filename is not None else b"")
        lines += b"\r\n\r\n" + data + b"\r\n"
    return lines + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def post(files, body, headers, query=""):
    return files.client.request("POST", files.base + query, body, headers)


def test_a_form_with_files(tier_files):
    data = os.urandom(500_000) + b"\r\n--XxBoundary\r\n"
    answer = post(tier_files, *form(("path", None, b"up"), ("file", "a.bin", data), ("file", "s/b.txt", b""), ("note", None, b"passed over"), ("file", "", b"")))
    assert answer.status == 201, answer
    assert answer.json == {"files": [{"path": "up/a.bin", "size": len(data), "replaced": False}, {"path": "up/s/b.txt", "size": 0, "replaced": False}]}
    assert tier_files.read("up/a.bin") == data and tier_files.read("up/s/b.txt") == b""
    answer = post(tier_files, *form(("x", "a.bin", b"1")), query="?path=up")
    assert answer.json == {"files": [{"path": "up/a.bin", "size": 1, "replaced": True}]}


@pytest.mark.parametrize("step", [1, 3, 7, 50])
def test_a_form_in_small_pieces(files, step):
    body, headers = form(("f", "one", b"1\r\n--XxBoundaryx\r\n"), ("f", "two", b""), ("f", "three", b"333"))
    with files.client.socket() as s:
        s.sendall(f"POST {files.base} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {headers['Content-Type']}\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n".encode())
        for at in range(0, len(body), step):
            s.sendall(body[at:at + step])
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 201 "), answer
    assert [files.read(n) for n in ("one", "two", "three")] == [b"1\r\n--XxBoundaryx\r\n", b"", b"333"]


def test_forms_that_are_none(files):
    good, headers = form(("f", "a", b"1"), ("f", "b", b"2"))
    assert_error(post(files, good, {"Content-Type": "application/json"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_error(post(files, good, {"Content-Type": "multipart/form-data"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_error(post(files, b"", headers), 400, "INVALID_FORM")
    assert_error(post(files, *form(("x", None, b"no file"))), 400, "INVALID_FORM")
    assert_error(post(files, good.replace(b"form-data", b"attachment"), headers), 400, "INVALID_FORM")
    assert files.entries() == {}
    cut = post(files, good[:-8], headers)
    assert_error(cut, 400, "INVALID_FORM")
    assert [f["path"] for f in cut.json["saved"]] == ["a"], "what came whole is kept, and said"
    assert list(files.entries()) == ["a"], "and the part that was cut off left nothing"
    for name in ("../x", "/x", "a//b", "."):
        assert_error(post(files, *form(("f", name, b"1"))), 400, "INVALID_PATH")
    assert_error(post(files, *form(("path", None, b"../.."), ("f", "x", b"1"))), 400, "INVALID_PATH")
    assert_error(post(files, *form(("path", None, b"p" * 2000), ("f", "x", b"1"))), 400, "INVALID_PATH")
    assert_error(post(files, good, headers, "?path=../x"), 400, "INVALID_PATH")
    assert_error(post(files, *form(*[("x", None, b"")] * 1001)), 422, "TOO_MANY_PARTS")


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
    assert time.monotonic() - started < 5
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


# -- with an execution, with a session --


def test_files_of_an_execution(tier_files):
    text = "größe\n"
    given = {"in/text.txt": {"content": text}, "b.bin": {"content": base64.b64encode(bytes(range(256))).decode(), "encoding": "base64"}, "plain": "as it is"}
    assert tier_files.run("print(open('in/text.txt').read(), open('b.bin','rb').read() == bytes(range(256)), open('plain').read())", files=given) == f"{text} True as it is\n"


def test_files_are_written_when_the_turn_of_their_execution_has_come(files):
    first = files.client.start("import time\nprint('up')\ntime.sleep(0.5)\nprint(open('f').read())", files.session, files={"f": "1"})
    second = files.client.start("print(open('f').read())", files.session, files={"f": "2"})
    third = files.client.start("1", files.session, files={"f": "3"})
    fourth = files.client.start("print(open('f').read())", files.session)
    files.client.expect(202, "DELETE", f"/api/v1/executions/{third}")
    for execution, wanted in ((first, "up\n1\n"), (second, "2\n"), (fourth, "2\n")):
        with files.client.events(execution) as events:
            events.result()
            assert events.text() == wanted


def test_files_of_a_new_session(client):
    assert client.stdout("print(open('a/b').read())", files={"a/b": "in a session of its own"}) == "in a session of its own\n"
    session = client.session(files={"a/b": "kept", "c": {"content": "Yw==", "encoding": "base64"}})
    files = Files(client, session)
    assert files.read("a/b") == b"kept" and files.read("c") == b"c"
    assert client.execute("1", session)["artifacts"] == []
    client.delete_session(session)
    before = client.expect(200, "GET", "/api/v1/sessions")["total"]
    assert_error(client.post("/api/v1/sessions", {"files": {"a": "", "a/b": ""}}), 409, "NOT_A_DIRECTORY")
    assert client.expect(200, "GET", "/api/v1/sessions")["total"] == before, "and no session is left of it"


@pytest.mark.parametrize("given", [{"../x": ""}, {"/x": ""}, {"": ""}, {"a": 1}, {"a": {}}, {"a": {"content": 3}}, {"a": {"content": "!", "encoding": "base64"}},
                                   {"a": {"content": "", "encoding": "rot13"}}, {"a": None}, [], "x", {f"{n}": "" for n in range(1001)}])
def test_files_that_are_none(client, given):
    for path, rest in (("/api/v1/execute", {"code": "1"}), ("/api/v1/sessions", {})):
        assert_error(client.post(path, {**rest, "files": given}), 400, "VALIDATION_ERROR")


# -- artifacts --


def artifacts(files, code, /, **fields):
    result = files.client.execute(code, files.session, **fields)
    assert result["success"], result
    return {a["path"]: (a["size"], a["mime"]) for a in result["artifacts"]}


def test_artifacts_are_what_a_run_made_or_changed(tier_files):
    files = tier_files
    files.put("given.csv", b"a,b\n1,2\n")
    assert artifacts(files, "x = open('given.csv').read()") == {}
    assert artifacts(files, "open('out.txt', 'w').write(x)") == {"out.txt": (8, "text/plain")}
    assert artifacts(files, "1 + 1") == {}
    assert artifacts(files, "open('out.txt').read()") == {}
    assert artifacts(files, "open('out.txt', 'a').write('!')") == {"out.txt": (9, "text/plain")}
    assert artifacts(files, "import os; os.makedirs('d/e'); os.rename('out.txt', 'd/e/new.json')") == {"d/e/new.json": (9, "application/json")}
    assert artifacts(files, "import subprocess; subprocess.run('echo hi > d/sh.bin', shell=True, check=True)") == {"d/sh.bin": (3, "application/octet-stream")}
    assert artifacts(files, "import os; os.remove('d/sh.bin'); os.symlink('given.csv', 'link')") == {}
    files.put("given.csv", b"other")
    assert artifacts(files, "open('y', 'w').close()", files={"also.txt": "given"}) == {"y": (0, "application/octet-stream")}
    assert artifacts(files, "open('also.txt', 'w').write('no more')") == {"also.txt": (7, "text/plain")}


def test_artifacts_of_libraries_and_of_runs_that_fail(files):
    assert artifacts(files, "import pandas as pd\npd.DataFrame({'a': [1]}).to_csv('t.csv')")["t.csv"] == (7, "text/csv")
    assert "p.png" in artifacts(files, "import matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.savefig('p.png')")
    assert "s.db" in artifacts(files, "import sqlite3\nc = sqlite3.connect('s.db'); c.execute('create table t (a)'); c.commit(); c.close()")
    result = files.client.execute("open('half', 'w').write('x')\n1/0", files.session)
    assert result["status"] == "error" and [a["path"] for a in result["artifacts"]] == ["half"]
    result = files.client.execute("open('late', 'w').write('x')\nwhile True: pass", files.session, timeout=300)
    assert result["status"] == "timeout" and [a["path"] for a in result["artifacts"]] == ["late"]


def test_artifacts_after_a_restart_are_only_new_ones(files):
    artifacts(files, "open('old', 'w').write('x')")
    files.client.expect(202, "POST", f"/api/v1/sessions/{files.session}/restart", {})
    assert artifacts(files, "open('new', 'w').write('x')") == {"new": (1, "application/octet-stream")}


def test_artifacts_are_bounded(files):
    result = files.client.execute("for n in range(1200): open(f'f{n:04}', 'w').close()", files.session)
    assert len(result["artifacts"]) == 1000 and result["artifactsOmitted"] == 200
    assert result["artifacts"][0]["path"] == "f0000"
    execution = files.client.start("for n in range(1200): open(f'g{n:04}', 'w').close()", files.session)
    with files.client.events(execution) as events:
        last = events.result()
        assert len(events.seen[-1].text) < 64_000
    assert len(last["artifacts"]) + last["artifactsOmitted"] == 1200 and last["artifacts"]
    later = until(lambda: files.client.execution(execution).get("result"), "the result is there")
    assert (later["artifacts"], later["artifactsOmitted"]) == (last["artifacts"], last["artifactsOmitted"])


def test_forged_artifacts_are_checked(files):
    """The worker is hostile: what it says of files is re-read."""
    result = files.client.execute("""
import gc, json, sys
forged = [{'path': '../../etc/passwd', 'size': 1, 'mime': 'text/plain'}, {'path': 'ok', 'size': 1, 'mime': 'text/html\\r\\nX: y'}, {'path': 'neg', 'size': -1, 'mime': 'a/b'},
          {'path': 3}, 'x', None, {'path': 'big', 'size': 1e300, 'mime': 'a/b'}]
module = sys.modules['penny_runtime.artifacts']
module.scan.__code__ = (lambda: payload.dumps(forged).join([b',"artifacts":', b''])).__code__
module.forged = forged
open('x', 'w').close()
""", files.session)
    assert result["artifacts"] == [{"path": "ok", "size": 1, "mime": "application/octet-stream"}], result
