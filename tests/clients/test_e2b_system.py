"""What E2B's SDK for Python offers beside code: commands and files of a sandbox."""

import io
import urllib.error
import urllib.request

import pytest

from e2b_sdk import e2b, interpreter, sandbox, service, settings  # noqa: F401: fixtures
from harness import until


# ---- commands ----

def test_a_command(sandbox):
    seen = []
    sandbox.files.write("f", "file\n")
    done = sandbox.commands.run("echo out $COLOUR $MORE; pwd; cat ../workspace/f; echo err >&2", envs={"MORE": "red"}, cwd="/tmp", on_stdout=seen.append)
    assert (done.stdout, done.stderr, done.exit_code, done.error) == ("out blue red\n/tmp\nfile\n", "err\n", 0, None) and "".join(seen) == done.stdout
    sandbox.commands.run("echo é > made")
    assert sandbox.run_code("open('made').read()").text == "é\\n"


@pytest.mark.parametrize("command, code, text", [("echo no >&2; exit 3", 3, "no\n"), ("nothing-like-it", 127, "not found"), ("kill -9 $$", 137, "")])
def test_a_command_that_fails(sandbox, command, code, text):
    with pytest.raises(e2b.CommandExitException) as failed:
        sandbox.commands.run(command)
    assert failed.value.exit_code == code and text in failed.value.stderr


def test_a_command_in_the_background(sandbox):
    other = sandbox.commands.run("echo begun; sleep 100", background=True)
    known, = sandbox.commands.list()
    assert (known.pid, known.cmd, known.args) == (other.pid, "/bin/bash", ["-l", "-c", "echo begun; sleep 100"])
    assert sandbox.run_code("1").text == "1" and sandbox.commands.run("echo 2").stdout == "2\n", "nobody waits for it"
    again = sandbox.commands.connect(other.pid)
    assert next(iter(again))[0] == "begun\n", "told from its beginning"
    assert other.kill() is True and sandbox.commands.kill(other.pid) is False and sandbox.commands.list() == []
    with pytest.raises(e2b.CommandExitException) as failed:
        again.wait()
    assert failed.value.exit_code == -1
    with pytest.raises(e2b.NotFoundException):
        sandbox.commands.connect(other.pid)


def test_a_command_that_reads(sandbox):
    cat = sandbox.commands.run("cat; echo end", background=True, stdin=True)
    cat.send_stdin("one\n")
    cat.send_stdin("zwölf\n")
    cat.close_stdin()
    assert cat.wait().stdout == "one\nzwölf\nend\n"
    assert sandbox.commands.run("cat").stdout == "", "without it there is none"
    ends = sandbox.commands.run("echo early", background=True, stdin=True)
    assert ends.wait().stdout == "early\n", "it may end while more could come"


def test_a_command_and_its_time(sandbox):
    with pytest.raises(e2b.TimeoutException):
        sandbox.commands.run("sleep 100", timeout=0.5)
    until(lambda: sandbox.commands.list() == [], "it is ended, too")


def test_what_a_command_may_not(sandbox):
    with pytest.raises(e2b.InvalidArgumentException, match="No such file or directory: '/nowhere'"):
        sandbox.commands.run("ls", cwd="/nowhere")
    with pytest.raises(e2b.SandboxException, match="no terminals"):
        sandbox.pty.create(e2b.PtySize(24, 80))


def test_commands_follow_the_import_policy(make_server, monkeypatch):
    server = make_server(env={"SANDBOX_PROFILE": "standard", "SANDBOX_PROFILES": "standard"}).start()
    for name, value in {"E2B_API_URL": f"{server.url}/e2b", "E2B_SANDBOX_URL": f"{server.url}/e2b", "E2B_API_KEY": "e2b_" + "0" * 40}.items():
        monkeypatch.setenv(name, value)
    with interpreter.Sandbox.create() as sandbox, pytest.raises(e2b.SandboxException, match="(?i)permission_denied.*subprocess"):
        sandbox.commands.run("ls")


# ---- directories ----

def test_directories(sandbox):
    files = sandbox.files
    assert files.make_dir("/home/user/d/e") is True and files.make_dir("d/e") is False and files.exists("~/d") and not files.exists("/workspace/no")
    files.write_files([{"path": "d/a.txt", "data": "one"}, {"path": "/home/user/d/e/b.bin", "data": b"\x00\xff"}])
    assert [(f.path, f.type) for f in files.list("d")] == [("/home/user/d/a.txt", e2b.FileType.FILE), ("/home/user/d/e", e2b.FileType.DIR)]
    assert [f.name for f in files.list("/home/user", depth=3)] == ["d", "a.txt", "e", "b.bin"]
    info = files.get_info("/workspace/d/a.txt")
    assert (info.name, info.path, info.size, info.permissions, info.mode) == ("a.txt", "/workspace/d/a.txt", 3, "-rw-r--r--", 0o644) and info.modified_time.year > 2000
    assert files.rename("d/a.txt", "other/c.txt").path == "/home/user/other/c.txt" and files.read("other/c.txt") == "one"
    files.remove("d")
    assert not files.exists("d")


@pytest.mark.parametrize("ask", [lambda f: f.list("no"), lambda f: f.get_info("no"), lambda f: f.remove("no"), lambda f: f.rename("no", "other")])
def test_what_is_not_there(sandbox, ask):
    with pytest.raises(e2b.NotFoundException, match="There is no 'no'"):
        ask(sandbox.files)


def test_what_is_refused(sandbox):
    for path in ("/etc", "../x", "/"):
        with pytest.raises(e2b.InvalidArgumentException):
            sandbox.files.list(path)
    with pytest.raises(e2b.SandboxException, match="can't be watched"):
        sandbox.files.watch_dir(".")


def test_of_a_sandbox_that_is_gone(sandbox):
    sandbox.kill()
    for ask in (lambda: sandbox.files.list("."), lambda: sandbox.commands.run("ls"), lambda: sandbox.files.read("a")):
        with pytest.raises(e2b.SandboxNotRunningException):
            ask()


# ---- transfers ----

def test_a_large_file_is_streamed(sandbox):
    size = 40_000_000
    assert sandbox.files.write("large.bin", io.BytesIO(b"x" * size)).path == "/home/user/large.bin"
    assert sandbox.run_code("import os\nos.path.getsize('large.bin')").text == str(size)
    assert sum(map(len, sandbox.files.read("/home/user/large.bin", format="stream"))) == size
    sandbox.files.write("form.bin", b"y" * 20_000_000)
    assert sandbox.files.get_info("form.bin").size == 20_000_000


def test_more_than_fits(sandbox):
    with pytest.raises(e2b.SandboxException, match="(?i)413|larger|too large|limit"):
        sandbox.files.write("huge.bin", (bytes(1 << 20) for _ in range(400)), use_octet_stream=True)
    assert not sandbox.files.exists("huge.bin")


def fetch(url, data=None, kind=None):
    request = urllib.request.Request(url, data, {"Content-Type": kind} if kind else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_signed_urls(sandbox):
    other = interpreter.Sandbox.create(timeout=60)
    sandbox.files.write("d/a b.txt", "of one")
    other.files.write("d/a b.txt", "of another")
    for path in ("d/a b.txt", "/home/user/d/a b.txt"):
        assert fetch(sandbox.download_url(path)) == (200, b"of one") and fetch(other.download_url(path, use_signature_expiration=60)) == (200, b"of another")
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nsent\r\n--x--\r\n'
    assert fetch(sandbox.upload_url("up.txt"), body, "multipart/form-data; boundary=x")[0] == 200 and sandbox.files.read("up.txt") == "sent"
    url = sandbox.download_url("up.txt")
    for wrong in (url.replace("up.txt", "d%2Fa%20b.txt"), url[:-1], url.replace("v1_", ""), sandbox.upload_url("up.txt"), sandbox.download_url("up.txt", use_signature_expiration=-5),
                  sandbox.download_url("up.txt", use_signature_expiration=60).replace("signature_expiration=", "signature_expiration=9")):
        status, said = fetch(wrong)
        assert status == 401 and b"URL" in said, wrong
    other.kill()
    assert fetch(other.download_url("d/a b.txt"))[0] == 401
