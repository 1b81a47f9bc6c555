"""The checks that every test's server is held to at its end see what is left behind: here it is left on purpose."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import processes, until
from harness.server import RUNNING, SANITIZER

LEAKING = """import os, signal, subprocess
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
%s
print('set up', flush=True)
signal.sigwait([signal.SIGTERM])
print(%r)
"""


@pytest.fixture
def leaking(make_server, tmp_path):
    """A program that does this, runs until it is told to end, and ends well; held to be a server."""
    def make(does, last_words=""):
        program = tmp_path / "program.py"
        program.write_text(LEAKING % (does, last_words))
        server = make_server(executable=sys.executable, args=[str(program)])
        server.launch()
        until(lambda: "set up" in server.log(), "the program runs")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log()
        return server

    return make


def test_nothing_is_left(leaking):
    leaking("pass").assert_nothing_left()


def test_a_process(leaking):
    server = leaking("subprocess.Popen(['sleep', '300'], start_new_session=True)")
    left = processes.adopted(RUNNING)
    try:
        with pytest.raises(AssertionError, match="processes left behind.*sleep 300"):
            server.assert_nothing_left()
    finally:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    until(lambda: not processes.alive(left), "it is gone")
    server.assert_nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user can't mount anything")
def test_a_mount(leaking, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    server = leaking(f"subprocess.run(['mount', '-t', 'tmpfs', 'none', {str(place)!r}], check=True)")
    try:
        with pytest.raises(AssertionError, match="mounts left behind.*place"):
            server.assert_nothing_left()
    finally:
        subprocess.run(["umount", str(place)], check=True)
    server.assert_nothing_left()


def test_a_control_group(leaking, server, client, session):
    """The name that is looked for is that of a real server's groups."""
    if not client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        pytest.skip("no control group can be made here")
    assert server.cgroups()
    place = next(path for path in sorted(server.cgroups()) if path.endswith(server.group_name))
    start = "open('/proc/self/stat').read().rpartition(')')[2].split()[19]"
    fake = leaking(f"os.mkdir({str(Path(place).parent)!r} + f'/penny-{{os.getpid()}}-' + {start})")
    try:
        with pytest.raises(AssertionError, match="control groups left behind"):
            fake.assert_nothing_left()
    finally:
        for path in fake.cgroups():
            os.rmdir(path)
    fake.assert_nothing_left()


@pytest.mark.parametrize("mark", SANITIZER)
def test_what_a_sanitizer_says(leaking, mark):
    with pytest.raises(AssertionError, match=mark):
        leaking("pass", mark).assert_nothing_left()


def test_a_file(leaking):
    server = leaking("open(os.environ['SANDBOX_STATE_DIR'] + '/file', 'w').close()")
    with pytest.raises(AssertionError, match="files left behind"):
        server.assert_no_files_left()
