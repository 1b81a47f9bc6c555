"""However a service is started, in each tier: what its operator's shell, terminal or parent has left it with neither stops it nor reaches a session."""

import os
import pty
import shutil
import signal
import subprocess
import sys

import pytest

from harness import BUILD, ROOT, ServerFailed, processes, tiers, until
from harness.doctor import environment

# What comes before the program: Python as it may stand in a start script, which then becomes the program.
START = """#!{python} -I
import fcntl, os, resource, signal, sys
{before}
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""

OF_PYTHON = {"PYTHONHOME": "/none", "PYTHONPATH": "/none", "PYTHONSTARTUP": "/none", "PYTHONWARNINGS": "error", "PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "5",
             "PYTHONOPTIMIZE": "2", "PYTHONINSPECT": "1", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0", "PYTHONVERBOSE": "1", "PYTHONDEVMODE": "1"}
OF_LIBRARIES = {"MPLBACKEND": "TkAgg", "MPLCONFIGDIR": "/none", "OPENBLAS_NUM_THREADS": "8", "MALLOC_ARENA_MAX": "1", "MALLOC_PERTURB_": "7",
                "http_proxy": "http://127.0.0.1:9", "PIP_INDEX_URL": "http://127.0.0.1:9"}
OF_THE_SHELL = {"HOME": "", "PATH": "relative:.", "LANG": "xx", "LC_ALL": "tr_TR.UTF-8", "TMPDIR": "relative", "OPERATORS_SECRET": "hunter2"}

ODD = f"os.environ.update({OF_PYTHON | OF_LIBRARIES | OF_THE_SHELL})" + """
for descriptor in range(100, 300):
    os.dup2(1, descriptor)
for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
for limit, value in ((resource.RLIMIT_FSIZE, 4096), (resource.RLIMIT_STACK, 256 << 10), (resource.RLIMIT_SIGPENDING, 1)):
    resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))
os.close(0)
os.close(2)
os.umask(0o777)
"""

INSIDE = """
import os, signal, subprocess
import numpy, matplotlib.pyplot as plt
def is_open(n):
    try: return bool(os.fstat(n))
    except OSError: return False
descriptors = [n for n in range(1024) if is_open(n)]
plt.plot(numpy.arange(3)); plt.show()
open('a', 'w').write('x')
print(descriptors, sorted(n for n in os.environ if n not in OURS), plt.get_backend(), oct(os.stat('a').st_mode), len(open('a').read()),
      subprocess.run(['sh', '-c', 'yes | head -1'], capture_output=True).stdout, signal.pthread_sigmask(signal.SIG_BLOCK, []),
      [n for n in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_IGN])
"""
MB = 1 << 20
OURS = ("PATH HOME TMPDIR LANG USER TERM MPLBACKEND MPLCONFIGDIR OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS PENNY_LAYERS VIRTUAL_ENV").split()


@pytest.fixture(params=tiers.TIERS)
def tier(request):
    if tiers.tier_reason(request.param):
        pytest.skip(f"tier {request.param}: {tiers.tier_reason(request.param)}")
    return request.param


@pytest.fixture
def started(make_server, workplace):
    """started(before, tier=, env=): a server that is not started yet, whose start script does this before."""
    def make(before, **options):
        server = make_server(**options)
        script = server.directory / "start"
        script.write_text(START.format(python=os.path.realpath(sys.executable), before=before, program=str(server.executable)))
        script.chmod(0o755)
        server.directory.chmod(0o755)
        server.executable = script
        return server

    return make


def test_what_it_is_started_with_does_not_matter(started, tier):
    """All at once: the ways in which it went wrong alone were a service that never ended, and a package directory nobody could enter."""
    server = started(ODD, tier=tier, env={"SANDBOX_POOL_SIZE": "1"})
    client = server.start().client
    session = client.session()
    first = client.execute(f"OURS = {OURS}\n" + INSIDE, session)
    assert first["output"]["stdout"] == "[0, 1, 2, 3, 4, 5] [] agg 0o100644 1 b'y\\n' set() []\n", first
    assert len(first["output"]["plots"]) == 1
    client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints")
    assert client.execute("os._exit(1)", session)["state"] == "rolledBack"
    assert client.stdout("print(len(OURS))", session) == f"{len(OURS)}\n"
    before = until(server.server_pid, "the server's number is known")
    os.kill(before, signal.SIGKILL)
    until(lambda: server.server_pid() not in (None, before) and server.answers(), "the end of a child is noticed, and another one serves")
    server.stop()


def test_nobody_reads_what_it_prints(started, tier):
    server = started("signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nr, w = os.pipe()\nos.close(r)\nos.dup2(w, 1)\nos.dup2(w, 2)", tier=tier).launch()

    def serves():
        assert server.process.poll() is None
        try:
            return server.client.get("/ready").status == 200
        except OSError:
            return False

    until(serves, "it is ready")
    assert server.client.stdout("print(1)") == "1\n"
    server.stop()


@pytest.mark.parametrize("limit,value,least,said", [
    ("RLIMIT_FSIZE", MB, 512 * MB, "of a file's size \\(ulimit -f\\) is 1024 KB: raise it to 524288 KB"),
    ("RLIMIT_AS", 128 * MB, 768 * MB, "of address space \\(ulimit -v\\) is 131072 KB: raise it to 786432 KB"),
    ("RLIMIT_SIGPENDING", 1, 256, "of pending signals \\(ulimit -i\\) is 1: raise it to 256 or more"),
    ("RLIMIT_NOFILE", 20, 64, "of open files \\(ulimit -n\\) is 20: raise it to 64 or more"),
    ("RLIMIT_NPROC", 8, 32, "of processes \\(ulimit -u\\) is 8: raise it to 32 or more"),
], ids=["file size", "address space", "signals", "files", "processes"])
def test_a_limit_under_which_it_can_not_live(started, limit, value, least, said):
    tier = next((tier for tier in ("user", "process") if not tiers.tier_reason(tier)), None)
    if tier is None:
        pytest.skip("only root can be here, who may raise them")
    server = started(f"resource.setrlimit(resource.{limit}, ({value}, {value}))", tier=tier)
    with pytest.raises(ServerFailed, match=said) as failure:
        server.start()
    assert len(failure.value.log.splitlines()) == 1
    if value < MB:  # of these it is told beforehand; whether it can live with the others' least is seen
        return
    server.executable.write_text(server.executable.read_text().replace(f"{value}, {value}", f"{least}, {least}"))
    assert server.start().client.stdout("import numpy\nprint(numpy.arange(3).sum())") == "3\n"
    server.stop()


@pytest.mark.parametrize("before,goes_on", [("signal.signal(signal.SIGHUP, signal.SIG_DFL)", False), ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", True)],
                         ids=["a terminal's", "nohup"])
def test_the_terminal_is_gone(started, before, goes_on):
    """It ends with its terminal, unless it was started by nohup: then SIGHUP is but a word to read its files again."""
    ours, theirs = pty.openpty()
    terminal = f"import termios\nos.setsid() if os.getsid(0) != os.getpid() else None\nfd = os.open({os.ttyname(theirs)!r}, os.O_RDWR)\nfcntl.ioctl(fd, termios.TIOCSCTTY, 0)\n"
    server = started(before + "\n" + terminal, tier=tiers.natural()).start()
    os.close(theirs)
    os.close(ours)
    if goes_on:
        server.signal(signal.SIGHUP)
        assert server.client.stdout("print(1)") == "1\n"
        server.stop()
    else:
        assert server.wait() == 0
        server.assert_nothing_left()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, whose sessions are users of their own")
def test_a_checkout_of_root_that_is_closed_to_others(make_server, workplace):
    """As umask 077 makes one: sessions began, without their fonts and whatever else they read late."""
    library = workplace / "closed-library"
    shutil.copytree(ROOT / "runtime/python", library)
    library.chmod(0o700)
    server = make_server(tier="root", env={"SANDBOX_PYTHON_LIBRARY": str(library)})
    with pytest.raises(ServerFailed, match=f"can't read {library}: open"):
        server.start()
    library.chmod(0o755)
    assert server.start().client.expect(200, "GET", "/api/v1/packages")
    server.stop()


@pytest.mark.skipif(not (ROOT / "deploy/setup.sh").exists(), reason="the set-up is not here")
def test_what_the_set_up_makes_is_open_to_others(tmp_path):
    def set_up(*step):
        subprocess.run([ROOT / "deploy/setup.sh", *step], cwd=tmp_path, umask=0o077, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **odd})

    odd = {"PYTHONPATH": "/odd", "PYTHONHOME": "/odd", "PIP_USER": "/odd", "PIP_TARGET": "/odd", "CDPATH": "/odd"}  # pip took for installed what lies there
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv >>{tmp_path}/environment\n' + '[ "$2" != venv ] || { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; }\n')
    python.chmod(0o755)
    (tmp_path / "requirements.txt").write_text("numpy\n")
    set_up("venv", "made", "requirements.txt", python)
    modes = [(tmp_path / "made" / part).stat().st_mode & 0o777 for part in ("", "bin", "bin/python")]
    assert modes == [0o755] * 3
    assert "PATH=" in (tmp_path / "environment").read_text() and "/odd" not in (tmp_path / "environment").read_text()
    (tmp_path / "made").chmod(0o700)
    (tmp_path / "requirements.txt").chmod(0o600)
    set_up("readable", "made", "requirements.txt")
    opened = [0o705, 0o604] if os.geteuid() == 0 else [0o700, 0o600]  # another's sessions are himself
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("made", "requirements.txt")] == opened


def test_children_that_were_there_before_it_are_not_its_own(started):
    """`tee log & exec penny-sandbox`: a shell that becomes the service leaves it its children. They were killed at its end."""
    server = started("if os.fork() == 0: signal.pause()\nif os.fork() == 0: os._exit(0)").start()
    helper = next(pid for pid in processes.children(server.pid) if "start" in processes.command(pid))
    assert server.client.stdout("print(1)") == "1\n"
    server.signal()
    try:
        assert server.wait() == 0
        assert processes.state(helper) == "S", "it is nobody's to kill"
    finally:
        os.kill(helper, signal.SIGKILL)
        os.waitpid(helper, 0)
    server.assert_nothing_left()


@pytest.mark.parametrize("command", ["mcp", "private"])
def test_a_child_that_was_there_before_a_command_is_not_its_service(command):
    """As of a process substitution: `exec penny-sandbox mcp 2> >(tee log)`. Its end was taken for the service's."""
    code = "import os, signal, sys\nif os.fork() == 0: signal.pause()\nos.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, str(BUILD / "penny-sandbox"), command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment())
    child = until(lambda: [p for p in processes.children(process.pid) if "-c" in processes.command(p)], "it has one")[0]
    until(lambda: len(processes.children(process.pid)) == 2, "it has begun to start its service, and watches")
    os.kill(child, signal.SIGKILL)
    until(lambda: processes.state(child) in ("Z", ""), "the child has ended")
    process.communicate(timeout=60)
    assert process.returncode == 0
