"""A fork bomb, a memory bomb, a disk filler, an output flood, a loop that ignores signals: each hurts its own session only."""

import os
import signal

import pytest

from harness import retry, until


@pytest.fixture
def attacker(tier_server):
    session = tier_server.client.session()
    yield session
    tier_server.client.delete_session(session)


def still_works(client, session):
    assert client.stdout("print('works')", session) == "works\n"


def with_neighbour(tier_server, attacker, neighbour, code, rounds=10, **fields):
    """Runs the attack in the background; while it runs the neighbour gets its cells done. Returns the attack's result."""
    client = tier_server.client
    execution = client.start(code, attacker, **fields)
    for n in range(rounds):
        assert client.stdout(f"print({n} + 1)", neighbour) == f"{n + 1}\n"
    if "counted over all" not in client.health()["isolation"]["layers"]["rlimits"]["detail"]:  # else who came last has the last processes
        client.stdout("import subprocess\nprint(subprocess.run(['true']).returncode)", neighbour)
    with client.events(execution) as events:
        return events.result()


def test_fork_bomb(tier_server, attacker, neighbour):
    code = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=2000)
    assert result["status"] in ("timeout", "killed", "memory"), result
    still_works(tier_server.client, attacker)


def test_a_bomb_of_threads(tier_server, attacker, neighbour):
    code = "import threading, time\ntry:\n    while True: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\nexcept RuntimeError as e: print('stopped')"
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=20000)
    assert result["status"] in ("ok", "killed", "timeout", "memory"), result
    tier_server.client.expect(202, "POST", f"/api/v1/sessions/{attacker}/restart", {})
    still_works(tier_server.client, attacker)


def test_memory_bomb(tier_server, attacker, neighbour):
    result = with_neighbour(tier_server, attacker, neighbour, "x = []\nwhile True: x.append(bytearray(b'x') * 10_000_000)", timeout=30000)
    assert result["status"] in ("memory", "error", "killed"), result
    still_works(tier_server.client, attacker)


def test_memory_bomb_of_many_processes(tier_server, attacker, neighbour):
    """Each process stays below its own limit; together they do not."""
    code = """
import os, time
for _ in range(12):
    if os.fork() == 0:
        try:
            x = bytearray(b'x') * 200_000_000
            time.sleep(60)
        finally: os._exit(0)
time.sleep(60)
"""
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=8000)
    assert result["status"] in ("memory", "killed", "timeout"), result
    still_works(tier_server.client, attacker)


@pytest.mark.parametrize("make", ["f = os.memfd_create('x')\n        for _ in range(10): os.write(f, bytes(9_000_000))",
                                  "f = libc.shmget(0, 90_000_000, 0o600)\n        if f < 0: raise OSError(ctypes.get_errno(), 'shmget')\n"
                                  "        p = libc.shmat(f, None, 0)\n        ctypes.memset(p, 1, 90_000_000)\n        libc.shmdt(ctypes.c_void_p(p))"])
def test_memory_that_no_process_has_mapped(tier_server, attacker, neighbour, make):
    """A group counts it; where there is none nobody would, so it can't be had."""
    code = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
try:
    for _ in range(8):
        {make}
    print('720 MB')
except PermissionError: print('refused')
"""
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=30000)
    assert result["status"] in ("memory", "killed") or result["output"]["stdout"] == "refused\n", result
    still_works(tier_server.client, attacker)


def test_disk_filler(tier_server, attacker, neighbour):
    code = """
import os, tempfile
for place in ('.', tempfile.gettempdir()):
    size = 0
    try:
        for n in range(100):
            with open(os.path.join(place, f'fill-{n}'), 'wb') as f:
                for _ in range(10): size += f.write(b'x' * 1_000_000)
    except OSError as e: print('stopped', e.errno)
    for n in range(100):
        try: os.unlink(os.path.join(place, f'fill-{n}'))
        except OSError: pass
    print(place != '.', size <= 1_000_000_000)
"""
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=60000)
    assert result["status"] in ("ok", "memory", "killed"), result
    still_works(tier_server.client, attacker)


def test_one_file_has_a_limit(inside):
    assert inside("try:\n    with open('big', 'wb') as f: f.truncate(10**13)\n    print('made')\nexcept OSError as e: print('stopped')") == "stopped\n"


def test_bytes_and_inodes_of_the_workspace_are_limited(inside, layers):
    if not layers["workspace"]:
        pytest.skip("no mount namespace in this tier: /health says that the workspace is limited per file only")
    code = """
import os
try:
    for n in range(10**6): open(f'inode-{n}', 'w').close()
    print('no end')
except OSError as e: print(e.errno)
for name in os.listdir('.'): os.unlink(name)
try:
    for n in range(10**3):
        with open(f'bytes-{n}', 'wb') as f: f.write(b'x' * 9_000_000)
    print('no end')
except OSError as e: print(e.errno)
for name in os.listdir('.'): os.unlink(name)
"""
    assert inside(code, timeout=60000).split() == ["28", "28"]


def test_descriptors_are_limited(inside):
    assert inside("import os\nfds = []\ntry:\n    while True: fds.append(os.open('/dev/null', 0))\nexcept OSError as e: print(e.errno)\nfor fd in fds: os.close(fd)") == "24\n"


def test_output_flood(tier_server, attacker, neighbour):
    result = with_neighbour(tier_server, attacker, neighbour, "while True: print('flood' * 1000)", timeout=2000)
    assert result["status"] == "timeout", result
    still_works(tier_server.client, attacker)


def test_flood_from_c_and_children(tier_server, attacker, neighbour):
    result = with_neighbour(tier_server, attacker, neighbour, "import os\nos.system('yes flood')", timeout=2000)
    assert result["status"] == "timeout", result
    still_works(tier_server.client, attacker)


@pytest.mark.parametrize("code", ["import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass", "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
                                  "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')", "import os, signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
                                  "import os\nos.setpgid(0, 0) if os.fork() == 0 else None\nimport signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True: pass"])
def test_a_loop_that_can_not_be_interrupted(tier_server, attacker, neighbour, code):
    result = with_neighbour(tier_server, attacker, neighbour, code, timeout=500)
    assert result["status"] == "timeout", result
    still_works(tier_server.client, attacker)


def test_killing_everything_in_sight(tier_server, attacker, neighbour):
    result = with_neighbour(tier_server, attacker, neighbour, "import os\ntry: os.kill(-1, 9)\nexcept OSError: pass\nos.kill(os.getpid(), 9)", timeout=10000)
    seccomp = tier_server.client.health()["isolation"]["layers"]["seccomp"]["detail"]
    assert result["status"] == "error" if "no signals can be sent" in seccomp else result["status"] in ("killed", "lost"), result
    still_works(tier_server.client, attacker)


def test_processor_time_is_shared(tier_server, attacker, neighbour):
    """Eight busy processes next door leave a neighbour enough to finish its cells."""
    code = "import os\nfor _ in range(7):\n    if os.fork() == 0: break\nwhile True: pass"
    result = with_neighbour(tier_server, attacker, neighbour, code, rounds=50, timeout=3000)
    assert result["status"] == "timeout", result
    still_works(tier_server.client, attacker)


def test_descriptors_on_their_way_do_not_silence_init(tier_server, attacker):
    """The kernel counts by user those that were sent and not received; what init sends is among them."""
    client = tier_server.client
    code = ("import array, socket\nheld, fds = [], array.array('i', [0] * 250)\ntry:\n    while len(held) < 100:\n        held.append(socket.socketpair(socket.AF_UNIX))\n"
            "        held[-1][0].sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])\nexcept OSError as error: print(error.strerror)\nopen('f', 'w').write('read')")
    assert client.stdout(code, attacker) == "Too many references: cannot splice\n"
    assert client.stdout("import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))", attacker) == "(512, 512)\n", "init may have more, and nobody else"
    assert client.request("GET", f"/api/v1/sessions/{attacker}/files/f").body == b"read"
    old = until(tier_server.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)
    until(lambda: tier_server.server_pid() not in (None, old), "another server process runs")
    assert retry(lambda: client.stdout("print(len(held) < 100)", attacker)) == "True\n"
