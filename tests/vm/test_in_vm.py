"""What only a machine of one's own shows: control groups of version 2, alone, and what /health says on this kernel."""

import ctypes
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from bench.measure import MEMORY
from harness import ROOT, ServerFailed, processes, tiers, until, write_policies
from harness.server import RUNNING

pytestmark = pytest.mark.skipif("PENNY_IN_VM" not in os.environ, reason="make vm-test runs this inside a virtual machine")
GROUPS = Path("/sys/fs/cgroup/tests.service")


def landlock_abi():
    """What the kernel itself answers; 0: none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


def groups(server):
    return GROUPS / server.group_name


def test_only_version_2_is_here():
    mounted = [line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert "cgroup2" in mounted and "cgroup" not in mounted


# ---- What a session weighs ------------------------------------------------------------------------------------------------------
SESSIONS, IDLE_BYTES = 100, 1_000_000
CLONE_NEWNET = 0x40000000


def memory():
    """As the benchmark counts it: what all processes and the kernel hold for them, without caches. Bytes, by kind."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return {name: int(fields[name].split()[0]) * 1024 for name in MEMORY}


def network_namespace_bytes(count=50):
    """What the kernel takes for each, with nobody in it."""
    libc, own, before = ctypes.CDLL(None), os.open("/proc/self/ns/net", os.O_RDONLY), sum(memory().values())
    made = []
    try:
        for _ in range(count):
            assert libc.unshare(CLONE_NEWNET) == 0
            made.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        return (sum(memory().values()) - before) / count
    finally:
        assert libc.setns(own, CLONE_NEWNET) == 0
        for fd in (*made, own):
            os.close(fd)


def test_an_idle_session_weighs_less_than_a_megabyte(make_server, capsys):
    """But for its network namespace where the kernel is so old that each needs one. Before the tests that have many sessions: in each new group the kernel keeps
    room for all file systems that the machine ever had at once."""
    with make_server(env={"SANDBOX_POOL_SIZE": "0"}) as server:
        workers = lambda: sum(processes.name(p) == "penny-worker" for p in processes.descendants(server.pid))  # noqa: E731
        client, first = server.client, server.client.session()
        has_network = "one per session" in client.health()["isolation"]["layers"]["networkNamespace"]["detail"]
        assert client.stdout("import sys\nprint({'numpy', 'pandas', 'matplotlib.pyplot'} - set(sys.modules))", first) == "set()\n"
        client.delete_session(first)
        until(lambda: workers() == 0, "it is gone")
        before, seen = memory(), []
        for _ in range(SESSIONS):
            client.session()
        until(lambda: workers() == SESSIONS, "each has a worker")

        def falls_no_more():  # of an unused session goes after a second what only makes its first cell faster
            seen.append(memory())
            time.sleep(0.1)
            return len(seen) > 100 and sum(seen[-101].values()) - sum(seen[-1].values()) < 1 << 20

        until(falls_no_more, "what is there for first cells was given back")
        kinds = {name: (seen[-1][name] - before[name]) / SESSIONS for name in MEMORY}
        whole, network = sum(kinds.values()), network_namespace_bytes() if has_network else 0
        with capsys.disabled():
            print(f"\nan idle session: {whole / 1000:.0f} KB, of them {network / 1000:.0f} its network namespace: {', '.join(f'{k} {v / 1000:.0f}' for k, v in kinds.items())}")
        assert whole - network <= IDLE_BYTES


# ---- What holds it --------------------------------------------------------------------------------------------------------------
def test_the_layers_that_a_root_server_says_it_has(server):
    layers = server.client.health()["isolation"]["layers"]
    assert server.client.health()["isolation"]["level"] == "full"
    for name in ("cgroupMemory", "cgroupPids", "cgroupCpu"):
        assert layers[name] == {"active": True, "detail": "cgroup version 2"}
    abi = landlock_abi()
    assert layers["landlock"]["active"] == (abi > 0)
    assert f"ABI {abi}:" in layers["landlock"]["detail"] if abi else "none" in layers["landlock"]["reason"]
    assert ("one per session" in layers["networkNamespace"]["detail"]) == (abi < 6)
    assert ("no TCP" in layers["landlock"].get("detail", "")) == (abi >= 4)


def test_the_limits_are_in_the_sessions_group(server, session):
    made = server.client.expect(201, "POST", "/api/v1/sessions", {"resources": {"memory": 300 << 20}})["id"]
    server.client.execute("1", made)
    limits = [(group / "memory.max").read_text().strip() for group in groups(server).glob("s*")]
    assert str(300 << 20) in limits
    for group in groups(server).glob("s*"):
        assert (group / "memory.swap.max").read_text() == "0\n" if (group / "memory.swap.max").exists() else True
        assert int((group / "pids.max").read_text()) > 0
        assert re.match(r"(max|\d+) 100000", (group / "cpu.max").read_text())
    server.client.delete_session(made)


def test_memory_of_all_processes_together_is_held_by_the_kernel(server):
    """No process comes near its own limit; together they are above the session's."""
    client = server.client
    session = client.expect(201, "POST", "/api/v1/sessions", {"resources": {"memory": 200 << 20}})["id"]
    client.stdout("x = 5", session)
    result = client.execute("import os, time\nfor _ in range(6):\n    if os.fork() == 0:\n        y = bytearray(b'x') * 60_000_000\n        time.sleep(30)\n        os._exit(0)\n"
                            "y = bytearray(b'x') * 60_000_000\nfor _ in range(6): print(os.wait()[1])", session, timeout=60000)
    assert result["status"] in ("memory", "killed") or "9" in result["output"]["stdout"].split(), result
    assert client.stdout("print(x)", session) == "5\n"
    client.delete_session(session)


def test_the_memory_that_is_told_is_the_groups(server, session):
    client = server.client
    client.stdout("x = bytearray(b'x') * 100_000_000", session)
    stats = client.get(f"/api/v1/sessions/{session}/stats").json
    assert stats["resourceUsage"]["memory"] > 100_000_000, stats
    result = client.execute("y = bytearray(b'x') * 50_000_000\ndel y", session)
    assert result["metrics"]["memoryPeak"] >= result["metrics"]["memoryUsage"] > 0, result["metrics"]


def test_processor_time_is_held(server, session):
    """A fifth of a core, by the kernel's own account of how often it held the group back."""
    client = server.client
    client.execute("import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass", session, maxCpu=20, timeout=60000)
    throttled = [int(dict(line.split() for line in (g / "cpu.stat").read_text().splitlines())["nr_throttled"]) for g in groups(server).glob("s*")]
    assert max(throttled) > 0


def test_the_service_moved_into_its_leaf_and_not_deeper(server):
    """A zygote that replaces a dead one is started in the leaf: its groups are those of the one before it."""
    client = server.client
    session = client.session()
    client.stdout("kept = 1", session)
    before = server.zygote_pid()
    os.kill(before, 9)
    until(lambda: server.zygote_pid() not in (None, before), "another zygote is there", 120)
    until(lambda: client.get("/ready").status == 200, "the service is ready", 120)
    assert client.stdout("print(kept)", session) == "1\n"
    fresh = client.session()
    client.execute("1", fresh)
    assert not (GROUPS / "penny-service/penny-service").exists()
    assert list(groups(server).glob("s*")), "the new zygote's sessions are where those of the former were"
    assert not list((GROUPS / "penny-service").glob("penny-*"))
    for id in (session, fresh):
        client.delete_session(id)


def test_groups_end_with_their_sessions_and_with_the_service(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"})
    with server:
        session = server.client.session()
        server.client.execute("1", session)
        assert list(groups(server).glob("s*"))
        server.client.delete_session(session)
        until(lambda: not list(groups(server).glob("s*")), "the session's group is gone", 60)
    assert not groups(server).exists()


def test_a_bomb_of_processes_ends_at_the_groups_limit(server, session):
    client, neighbour = server.client, server.client.session()
    client.stdout("mine = 1", neighbour)
    refused = lambda: max(int((g / "pids.events").read_text().split()[1]) for g in groups(server).glob("s*"))  # noqa: E731
    assert refused() == 0
    result = client.execute("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", session, timeout=8000)
    assert result["status"] in ("timeout", "killed", "memory"), result
    assert refused() > 0
    assert client.stdout("print(mine)", neighbour) == "1\n"
    client.delete_session(neighbour)


def test_a_bomb_of_memory_dies_alone(server, session):
    """By the kernel's own account of whom it has killed, and by what the others keep."""
    client = server.client
    others = [client.session() for _ in range(3)]
    for other in others:
        client.stdout("mine = bytearray(b'x' * 20_000_000)", other)
    killed = lambda: {g: dict(line.split() for line in (g / "memory.events").read_text().splitlines())["oom_kill"] for g in groups(server).glob("s*")}  # noqa: E731
    before = killed()
    result = client.execute("import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = bytearray(b'x') * 300_000_000\n        time.sleep(20)\n        os._exit(0)\n"
                            "print(sorted(os.wait()[1] for _ in range(4)))", session, timeout=100000)
    assert result["status"] in ("memory", "killed") or "9" in result["output"]["stdout"], result
    after = killed()
    assert len([g for g in before if after.get(g, before[g]) != before[g]]) == 1
    for other in others:
        assert client.stdout("print(len(mine))", other) == "20000000\n"
        client.delete_session(other)


def test_an_unused_sessions_memory_goes_to_swap(make_server, tmp_path):
    """By the kernel's account; and in use it gets none."""
    policies = write_policies(tmp_path, resources={"cleanup": {"hibernateAfter": 2000, "cleanupInterval": 500}})
    with make_server(env={"SANDBOX_POLICY_DIR": str(policies), "SANDBOX_POOL_SIZE": "0"}) as server:
        client, session = server.client, server.client.session()
        client.stdout("data = bytearray(b'x' * 60_000_000)", session)
        [group] = groups(server).glob("s*")
        stats = lambda: client.expect(200, "GET", f"/api/v1/sessions/{session}/stats")["hibernation"]  # noqa: E731
        said = until(lambda: (s := stats())["hibernated"] and len(s) > 1 and s, "it hibernates and says what that gave", 60)
        if not (group / "memory.reclaim").exists():  # Linux 5.19
            assert said["reclaimed"] == 0 and "Linux 5.19" in said["reason"], said
            return
        swapped = int((group / "memory.swap.current").read_text())
        assert said["reclaimed"] > 30_000_000 and swapped > 30_000_000, (said, swapped)
        assert (group / "memory.swap.max").read_text() == "0\n"
        assert client.stdout("print(data.count(b'x'))", session) == "60000000\n"
        assert int((group / "memory.current").read_text()) > 60_000_000


def started_in(server, group, *how):
    """The server's executable becomes a script that enters this group first, and starts the real one with these words before it."""
    start = server.directory / "start"
    start.write_text(f'#!/bin/sh\necho $$ >{group}/cgroup.procs\n{" ".join(how)} {server.executable} "$@"\n')
    start.chmod(0o755)
    server.executable = start
    return server


def test_a_group_that_was_delegated_to_an_ordinary_user(make_server):
    """As systemd does it for a user's unit with Delegate=: the directory and its switches belong to the user."""
    own, user = Path("/sys/fs/cgroup/user.service"), tiers.uid("user")
    own.mkdir(exist_ok=True)
    for path in (own, *(own / name for name in ("cgroup.procs", "cgroup.subtree_control", "cgroup.threads"))):
        os.chown(path, user, user)
    server = make_server()
    started_in(server, own, f"chown {user}:{user} {server.state}; exec", *tiers.prefix("user"))
    with server:
        health = server.client.health()["isolation"]
        assert health["level"] == "namespace" and all(health["layers"][n]["active"] for n in ("cgroupMemory", "cgroupPids", "cgroupCpu")), health
        session = server.client.session()
        server.client.execute("1", session)
        inits = [p for p in processes.descendants(server.pid) if processes.name(p) == "penny-init"]
        assert f"/user.service/{server.group_name}/s" in Path(f"/proc/{inits[0]}/cgroup").read_text()


def test_a_read_only_view_of_the_groups_is_no_obstacle_for_root(make_server):
    """What a container shows: /sys/fs/cgroup read-only, in a control group namespace of its own."""
    own = Path("/sys/fs/cgroup/container.scope")
    own.mkdir(exist_ok=True)
    view = "'umount /sys/fs/cgroup; mount -t cgroup2 -o ro none /sys/fs/cgroup; exec \"$@\"'"
    server = started_in(make_server(), own, "exec unshare --cgroup --mount sh -c", view, "sh")
    with server:
        health = server.client.health()["isolation"]
        assert health["level"] == "full" and health["layers"]["cgroupMemory"]["detail"] == "cgroup version 2", health
        assert list(own.glob("penny-*"))


# ---- The tree of groups is left as it was ------------------------------------------------------------------------------------
@pytest.fixture
def shell():
    """As where somebody starts a service by hand: in a group that has processes of its own. Yields (that group, one of those)."""
    own = Path("/sys/fs/cgroup/shell.scope")
    own.mkdir()
    process = subprocess.Popen(["sh", "-c", f"echo $$ >{own}/cgroup.procs; exec sleep 1000"])
    RUNNING[process.pid] = None  # no server has left it behind
    until(lambda: group_of(process.pid) == "/shell.scope", "the shell is in its group")
    yield own, process.pid
    del RUNNING[process.pid]
    process.kill()
    process.wait()
    until(lambda: not (own / "cgroup.procs").read_text(), "nobody is in it")
    own.rmdir()  # refused where a group was left in it


def group_of(pid):
    return Path(f"/proc/{pid}/cgroup").read_text().strip().partition("::")[2]


def assert_it_is_as_it_was(own, pid):
    found = (group_of(pid), (own / "cgroup.subtree_control").read_text(), [p.name for p in own.iterdir() if p.is_dir()])
    assert found == ("/shell.scope", "", [])


def in_group(own, *command):
    return subprocess.run(["sh", "-c", f'echo $$ >{own}/cgroup.procs; exec "$@"', "sh", *map(str, command)], capture_output=True, text=True, timeout=120)


def test_doctor_leaves_the_groups_as_they_were(shell):
    own, pid = shell
    done = in_group(own, ROOT / "build/penny-sandbox", "doctor", "--json")
    assert json.loads(done.stdout)["isolation"]["level"] == "full", done
    assert_it_is_as_it_was(own, pid)


def test_a_service_leaves_the_groups_as_they_were(shell, make_server):
    """Though its zygote was replaced meanwhile, and doctor looked at the same group."""
    own, pid = shell
    server = started_in(make_server(env={"SANDBOX_POOL_SIZE": "0"}), own, "exec")  # without a pool it is ready when its zygote is
    with server:
        assert group_of(pid) == "/shell.scope/penny-service"
        before = server.zygote_pid()
        os.kill(before, 9)
        until(lambda: server.zygote_pid() not in (None, before) and server.client.get("/ready").status == 200, "another zygote is there", 120)
        assert json.loads(in_group(own / "penny-service", ROOT / "build/penny-sandbox", "doctor", "--json").stdout)["isolation"]["level"] == "full"
        assert group_of(pid) == "/shell.scope/penny-service"
        assert server.client.stdout("print(1)") == "1\n"
    assert_it_is_as_it_was(own, pid)


def test_two_services_of_one_group(shell, make_server):
    """Who ends first takes nothing from the other."""
    own, pid = shell
    first, second = started_in(make_server(), own, "exec"), make_server()
    with first:
        with started_in(second, own / "penny-service", "exec"):
            first.stop()
            assert group_of(pid) == "/shell.scope/penny-service"
            session = second.client.session()
            second.client.execute("1", session)
            assert [g for g in own.glob("penny-*/s*") if (g / "memory.max").read_text() != "max\n"]
    assert_it_is_as_it_was(own, pid)


def test_a_service_that_refuses_to_start_leaves_the_groups_as_they_were(shell):
    own, pid = shell
    done = in_group(own, ROOT / "build/penny-sandbox", "--user-namespaces=off", "--require-isolation=full")
    assert done.returncode != 0 and "is required" in done.stderr, done
    assert_it_is_as_it_was(own, pid)


# ---- How a session begins -------------------------------------------------------------------------------------------------------
def program_of(pid):
    return os.readlink(f"/proc/{pid}/exe").rpartition("/")[2]


def test_init_is_a_program_of_its_own_and_joined_by_visits(server, session):
    """clone3 into a control group, setns by a pidfd, execveat: each kernel here has them."""
    server.client.stdout("1", session)
    assert server.client.health()["isolation"]["visits"]["active"]
    inits = [p for p in processes.descendants(server.pid) if processes.name(p) == "penny-init"]
    assert inits and {program_of(p) for p in inits} == {"penny-init"}
    workers = [p for init in inits for p in processes.children(init) if processes.name(p) == "penny-worker"]
    assert workers and {program_of(p) for p in workers} == {"penny-zygote"}
    assert any("penny-image" in Path(f"/proc/{p}/maps").read_text() for p in workers), "what it shares with the zygote is a file"


@pytest.mark.skipif(tiers.tier_reason("user") is not None, reason="no ordinary user may make a namespace here")
def test_where_all_are_one_user_no_session_can_stop_who_visits_it(make_server):
    """Who is stopped in the session's pid namespace keeps the zygote waiting; so without Landlock's word on signals nobody goes there."""
    with make_server(tier="user") as server:
        isolation = server.client.health()["isolation"]
        assert isolation["visits"]["active"] == (isolation["layers"]["pidNamespace"]["active"] and landlock_abi() >= 6)
        assert server.client.stdout("print('all is well')") == "all is well\n"


def test_the_weakest_tier_says_what_it_is(make_server):
    """Neither namespaces nor, on an older kernel, Landlock: without either there is no wall around files, and it says `none`."""
    server = make_server(tier="process")
    with server:
        health = server.client.health()["isolation"]
        assert health["level"] == ("process" if landlock_abi() else "none")
        assert ("no signals can be sent" in health["layers"]["seccomp"]["detail"]) == (landlock_abi() < 6)
        answer = server.client.stdout("import os\ntry: os.kill(-1, 9)\nexcept OSError as e: print(e.errno)")
        assert answer == "1\n" or landlock_abi() >= 6, "refused; or kept inside, where it may well reach something"
        assert server.client.stdout("print('all is well')") == "all is well\n"
    if not landlock_abi():
        refused = make_server(tier="process", args=["--require-isolation=process"])
        with pytest.raises(ServerFailed) as failure:
            refused.start()
        assert "landlock" in failure.value.log and "required" in failure.value.log
