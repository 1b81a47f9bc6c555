"""What only a machine of one's own shows: control groups of version 2, alone, and what /health says on this kernel."""

import ctypes
import os
import re
from pathlib import Path

import pytest

from harness import Server, ServerFailed, processes, tiers, until

pytestmark = pytest.mark.skipif("PENNY_IN_VM" not in os.environ, reason="make vm-test runs this inside a virtual machine")
GROUPS = Path("/sys/fs/cgroup/tests.service")


def landlock_abi():
    """What the kernel itself answers; 0: none."""
    return max(0, ctypes.CDLL(None).syscall(444, None, 0, 1))


def groups(server):
    return GROUPS / f"penny-{server.pid}"


def test_only_version_2_is_here():
    mounted = [line.split()[2] for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert "cgroup2" in mounted and "cgroup" not in mounted


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
        assert f"/user.service/penny-{server.pid}/s" in Path(f"/proc/{inits[0]}/cgroup").read_text()


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
