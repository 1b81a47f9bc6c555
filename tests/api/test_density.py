"""What an idle session weighs, by the kernel's count of its processes' pages; and that a host that gives less still serves."""

import os
import shutil
import signal
import statistics

import pytest

from harness import processes, tiers, until

# A third more than was measured, so that another machine's libraries and page sizes fit, and a second copy of the interpreter does not.
WORKER_KB, INIT_KB, WORKER_TABLES_KB, INIT_TABLES_KB = 700, 160, 280, 80


def figures(pid):
    """(kilobytes of pages of its own, of page tables)."""
    rollup = dict(line.split()[:2] for line in open(f"/proc/{pid}/smaps_rollup").read().splitlines()[1:])
    status = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    return int(rollup["Anonymous:"]), int(status["VmPTE"].split()[0])


def inits(server):
    return [p for p in processes.children(server.zygote_pid()) if processes.name(p) == "penny-init"]


def worker_of(init):
    found = processes.children(init)
    return found[0] if len(found) == 1 and processes.name(found[0]) == "penny-worker" else None


@pytest.mark.skipif(tiers.natural() == "process", reason="no namespaces here: an init is a fork of the zygote")
def test_an_idle_session_is_small(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    before = len(os.listdir(f"/proc/{server.server_pid()}/fd"))
    sessions = [server.client.session() for _ in range(12)]
    found = until(lambda: len(pids := inits(server)) == 12 and all(map(worker_of, pids)) and pids, "each session has an init and a worker")
    until(lambda: len(os.listdir(f"/proc/{server.server_pid()}/fd")) - before <= 6 * 12 + 2, "six descriptors for each, and no more")
    init_kb, init_tables = map(statistics.median, zip(*map(figures, found)))
    assert init_kb <= INIT_KB and init_tables <= INIT_TABLES_KB
    idle = lambda: [statistics.median(values) for values in zip(*(figures(worker_of(p)) for p in found))]  # noqa: E731
    # a worker says that it is ready first, and then gives back what its start has only touched
    kb, tables = until(lambda: (now := idle())[0] <= WORKER_KB and now, f"a worker has {WORKER_KB} KB or less of its own, not {idle()}")
    assert tables <= WORKER_TABLES_KB
    for session in sessions:
        server.client.delete_session(session)


def test_without_its_program_init_is_a_fork(make_server, tmp_path):
    probe = make_server()
    shutil.copy(probe.build / "penny-zygote", tmp_path)
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    server = make_server(env={"SANDBOX_ZYGOTE": str(tmp_path / "penny-zygote"), "SANDBOX_POOL_SIZE": "0"}).start()
    client, session = server.client, server.client.session()
    assert client.stdout("x = 1\nprint(x)", session) == "1\n"
    if tiers.natural() != "process":
        assert "there is no program penny-init beside penny-zygote" in server.log()
    killed = client.execute(f"import os\nos.kill(os.getpid(), {int(signal.SIGKILL)})", session)
    assert killed["status"] == "killed"
    assert client.stdout("print('again')", session) == "again\n"
    client.delete_session(session)
