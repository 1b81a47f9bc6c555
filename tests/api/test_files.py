"""A session's files over HTTP: put, got, listed and deleted; parts of them, conditions, forms."""

import hashlib
import json
import os
import re

import pytest

from harness import until
from harness.files import assert_error, form, post


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
    until(lambda: files.put("f", b"one") and files.get("f").headers["etag"].startswith("W/"), "it was changed within this moment")  # a tenth of a second
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
