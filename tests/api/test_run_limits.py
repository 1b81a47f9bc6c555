"""maxMemory and maxCpu: what one run may use less than its session."""

import contextlib
from pathlib import Path

import pytest

from harness import TIERS, processes, tier_reason, until, write_policies

MIB = 1 << 20
BUSY = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n"


def test_memory_of_one_run(client, session):
    """It ends in a MemoryError, so that nothing of the session is lost; the next run has all of its memory again."""
    result = client.execute("kept = 1\nbig = bytearray(200 << 20)", session, maxMemory=100 * MIB)
    assert (result["status"], result["state"], result["error"]["type"]) == ("memory", "kept", "MemoryError"), result
    assert client.stdout("print(kept, 'big' in globals())", session) == "1 False\n"
    assert client.execute("big = bytearray(200 << 20)", session)["status"] == "ok"
    assert client.execute("del big\nbig = bytearray(200 << 20)", session, maxMemory=300 * MIB)["status"] == "ok"


def test_memory_counts_what_the_session_holds_already(client, session):
    assert client.execute("held = bytearray(150 << 20)", session)["status"] == "ok"
    assert client.execute("more = bytearray(50 << 20)", session, maxMemory=100 * MIB)["status"] == "memory"
    assert client.stdout("print(len(held))", session) == f"{150 * MIB}\n"


def test_memory_limit_goes_for_children_too(client, session):
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'bytearray(400 << 20)'], stderr=subprocess.DEVNULL).returncode)"
    assert client.stdout(code, session, maxMemory=100 * MIB) == "1\n"
    assert client.stdout(code, session) == "0\n"


@pytest.mark.parametrize("code", ["raise MemoryError('mine')", "import numpy\nnumpy.empty(1 << 45)", "[0] * (1 << 50)"])
def test_what_python_refuses_for_want_of_memory_is_told_as_that(client, session, code):
    result = client.execute(code, session)
    assert (result["success"], result["status"], result["state"]) == (False, "memory", "kept"), result


def test_an_interpreter_that_dies_of_it_comes_back_with_all_of_its_memory(client, session):
    assert client.execute("import os\nos._exit(3)", session, maxMemory=100 * MIB)["status"] == "killed"
    assert client.execute("big = bytearray(200 << 20)", session)["status"] == "ok"


def cpu_is_held(server):
    return server.client.health()["isolation"]["layers"]["cgroupCpu"]["active"]


def per_cents(server):
    """What the kernel holds the jails of this server to, by its own word."""
    found = set()
    for group in map(Path, server.cgroups()):
        if not group.name.startswith("s"):  # it holds the jails
            continue
        for name in ("cpu.cfs_quota_us", "cpu.max"):
            with contextlib.suppress(OSError):  # of the other version, or of a jail that has just ended
                quota = (group / name).read_text().split()[0]
                found.add(int(quota) // 1000 if quota.isdigit() else None)
    return found


def test_cpu_of_one_run(server, client, session):
    if not cpu_is_held(server):
        pytest.skip("no control group for processor time here")
    slow = client.execute(BUSY, session, maxCpu=20)["metrics"]
    assert slow["executionTime"] >= 1800, f"0.6 s of processor time at 20 % take 3 s: {slow}"
    until(lambda: 20 not in per_cents(server), "it has the whole again")
    execution = client.start("input()", session, maxCpu=20)
    until(lambda: 20 in per_cents(server), "the limit holds while it runs")
    client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
    until(lambda: 20 not in per_cents(server), "and no longer")
    assert "notice" not in client.execute("1", session, maxCpu=100)


def test_cpu_that_cannot_be_held_is_told(tier_server):
    client = tier_server.client
    result = client.execute("1", maxCpu=50)
    client.delete_session(result["sessionId"])
    assert result["success"] and ("notice" in result) == (not cpu_is_held(tier_server)), result


@pytest.mark.parametrize("fields", [
    {"maxMemory": 64 * MIB - 1}, {"maxMemory": 512 * MIB + 1}, {"maxMemory": "much"}, {"maxMemory": -1}, {"maxMemory": 1.5}, {"maxMemory": []},
    {"maxCpu": 9}, {"maxCpu": 101}, {"maxCpu": "x"}, {"maxCpu": True},
])
def test_outside_the_policy(client, fields):
    answer = client.post("/api/v1/execute", {"code": "1", **fields})
    assert answer.status == 400 and answer.json["validationErrors"][0]["field"] in fields, answer


def test_at_the_bounds_of_the_policy(client, session):
    for fields in ({"maxMemory": 64 * MIB}, {"maxMemory": 512 * MIB}, {"maxCpu": 10}, {"maxCpu": 100}, {"maxMemory": "67108864"}, {"maxMemory": None}):
        assert client.execute("1", session, **fields)["success"], fields


def test_the_policy_s_limit_of_an_execution_holds_for_runs_that_name_none(make_server, tmp_path):
    policies = write_policies(tmp_path, resources={"memory": {"maxMemoryPerSession": 512 * MIB, "maxMemoryPerExecution": 128 * MIB}, "cpu": {"maxCpuPercentage": 50}})
    client = make_server(env={"SANDBOX_POLICY_DIR": str(policies)}).start().client
    assert client.execute("b = bytearray(200 << 20)")["status"] == "memory"
    assert client.execute("b = bytearray(50 << 20)")["status"] == "ok"
    assert client.post("/api/v1/execute", {"code": "1", "maxMemory": 129 * MIB}).status == 400
    assert client.post("/api/v1/execute", {"code": "1", "maxCpu": 51}).status == 400
    assert client.execute("1", maxCpu=50)["success"]


def test_threads_do_not_use_up_the_address_space(client, session):
    """glibc would reserve 64 MB of it for each of the first sixteen. Small stacks: on a slow machine those of threads that were joined are still there."""
    code = ("import threading\nthreading.stack_size(1 << 18)\ngo = threading.Event()\nthreads = [threading.Thread(target=go.wait) for _ in range(50)]\n"
            "for t in threads: t.start()\ngo.set()\nfor t in threads: t.join()\nbig = bytearray(300 << 20)\nprint(len(threads))")
    assert client.stdout(code, session) == "50\n"


@pytest.mark.parametrize("tier", TIERS)
def test_the_memory_of_all_processes_together_is_held(make_server, tier):
    """Where no control group holds it: each process is below the limit, all of them are not."""
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    client = make_server(tier=tier, env={"MAX_MEMORY_PER_SESSION": "200M"}).start().client
    if client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        pytest.skip("a control group holds it here")
    session = client.session(checkpoints="always")
    client.stdout("kept = bytearray(b'k' * 50_000_000)", session)
    client.stdout("import os, time", session)
    result = client.execute("for n in range(5):\n    if os.fork() == 0:\n        mine = bytearray(100_000_000)\n"
                            "        for i in range(0, len(mine), 4096): mine[i] = 1\n        time.sleep(60)\n"
                            "for n in range(5): os.wait()\nprint('ended')", session, timeout=50_000)
    assert (result["status"], result["state"]) == ("memory", "rolledBack"), result
    assert client.stdout("print(len(kept))", session) == "50000000\n"
