"""SIGUSR2: server process and zygote are started anew from the disk, and nobody loses anything."""

import os
import shutil
import signal
import threading

import pytest

from harness import BUILD, Watcher, retry, until


@pytest.fixture
def upgradable(make_server):
    """A server whose executable lies where another one can be put. Returns it and the path."""
    path = BUILD / f"penny-sandbox-{os.getpid()}"
    shutil.copy(BUILD / "penny-sandbox", path)
    try:
        yield make_server(executable=path).start(), path
    finally:
        path.unlink()


def replace(path, source):
    new = path.with_suffix(".new")
    shutil.copy(source, new)
    os.chmod(new, 0o755)
    os.rename(new, path)


def runs(pid, path):
    """Whether this process is an instance of the file that lies at path now."""
    try:
        return pid is not None and os.stat(f"/proc/{pid}/exe").st_ino == path.stat().st_ino
    except OSError:
        return False


def test_an_upgrade_loses_nothing(upgradable):
    server, path = upgradable
    client, session = server.client, server.client.session()
    client.stdout("x = 41", session)
    execution = client.start("import time\nfor n in range(600):\n    print(n, flush=True)\n    time.sleep(0.002)", session)
    waiting = client.start("x += 1", session)
    watcher, before = Watcher(client, execution), (server.server_pid(), server.zygote_pid())
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    replace(path, BUILD / "penny-sandbox")
    server.signal(signal.SIGUSR2)
    until(lambda: server.server_pid() != before[0] and runs(server.server_pid(), path), "the new server process runs")
    until(lambda: server.zygote_pid() not in (None, before[1]), "the zygote is a new one too")
    thread.join(60)
    watcher.assert_joined()
    assert watcher.text() == "".join(f"{n}\n" for n in range(600))
    assert Watcher(client, waiting).run().result()["status"] == "ok"
    assert client.stdout("print(x)", session) == "42\n"
    assert retry(lambda: client.post("/api/v1/execute", {"code": "print('new')"})).json["output"]["stdout"] == "new\n"
    server.stop()
    server.assert_no_files_left()


def test_what_does_not_start_is_not_taken(upgradable):
    server, path = upgradable
    client, session = server.client, server.client.session()
    client.stdout("x = 'there'", session)
    old = server.server_pid()
    replace(path, "/bin/false")
    server.signal(signal.SIGUSR2)
    until(lambda: "the former version goes on" in server.log(), "the new one is given up")
    until(lambda: server.server_pid() not in (None, old), "a server process runs")
    assert retry(lambda: client.post("/api/v1/execute", {"code": "print(x)", "sessionId": session})).json["output"]["stdout"] == "there\n"
