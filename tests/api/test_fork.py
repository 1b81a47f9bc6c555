"""Live forks of a session: the same state, other random numbers, and nothing of the one in the other."""

import itertools
import json
import time

import pytest

from harness import TIERS, processes, tier_reason, until, until_interrupted

STATE = """
import io, random, uuid, secrets, numpy as np
x = [1, 2]
def counter():
    for i in range(100): yield i
g = counter(); next(g); next(g)
f = lambda: x
t = open('shared.txt', 'w+'); t.write('abc'); t.flush()
"""


def fork(client, session, status=201, **fields):
    answer = client.expect(status, "POST", f"/api/v1/sessions/{session}/fork", fields)
    return [s["id"] for s in answer["sessions"]] if status == 201 else answer


@pytest.fixture
def family(client, session):
    """Forks of the session; deleted with it."""
    made = []

    def make(parent=session, **fields):
        forks = fork(client, parent, **fields)
        made.extend(forks)
        return forks

    yield make
    for id in made:
        assert client.delete(f"/api/v1/sessions/{id}").status in (200, 404)


def test_values_diverge(client, session, family):
    client.stdout(STATE, session)
    one, two = family(count=2)
    ask = "x.append({}); print(x, next(g), f() is x)"
    for id, n in ((one, 5), (session, 6), (two, 7)):
        result = client.execute(ask.format(n), id)
        assert result["output"]["stdout"] == f"[1, 2, {n}] 2 True\n" and result["executionCount"] == 2 and result["sessionId"] == id
    assert len({one, two, session}) == 3


def test_random_state_differs(client, session, family):
    client.stdout("import random, uuid, secrets, numpy as np\nuuid.uuid1()\nrng = np.random.default_rng()", session)
    code = "print(random.random(), np.random.rand(), uuid.uuid4(), uuid.uuid1(), secrets.token_hex())"
    seen = [token for id in (session, *family(count=3)) for token in client.stdout(code, id).split()]
    assert len(set(seen)) == len(seen) == 20


def test_the_session_object(client, family):
    parent = client.session(metadata={"a": 1}, idleTimeout=60000, envVars={"MINE": "1"}, variables={"given": 7})
    (plain,) = family(parent)
    (named,) = family(parent, metadata={"b": 2})
    one, two = (client.expect(200, "GET", f"/api/v1/sessions/{id}") for id in (plain, named))
    assert one["metadata"] == {"a": 1} and two["metadata"] == {"b": 2}
    assert one["forkedFrom"] == parent and one["family"] == {"sessions": 3, "filesShared": True, "limits": one["family"]["limits"]}
    assert one["policy"] == {"profile": "open"} and one["limits"] == client.expect(200, "GET", f"/api/v1/sessions/{parent}")["limits"]
    for id in (plain, named, parent):
        assert client.stdout("import os\nprint(os.environ['MINE'], given)", id) == "1 7\n"
    client.delete_session(parent)
    client.delete_session(named)
    assert "family" not in client.expect(200, "GET", f"/api/v1/sessions/{plain}")


def test_files_are_shared_and_said_to_be(client, session, family):
    (child,) = family()
    client.stdout("open('from_parent', 'w').write('p')", session)
    assert client.stdout("print(open('from_parent').read())", child) == "p\n"
    assert client.request("PUT", f"/api/v1/sessions/{child}/files/by_child.txt", "text", {"Content-Type": "text/plain"}).status == 201
    assert client.get(f"/api/v1/sessions/{session}/files/by_child.txt").body == b"text"
    result = client.execute("1", child)
    assert not result.get("artifacts"), "what others wrote before is not this cell's doing"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_deleted_in_every_order(client, order):
    parent = client.session()
    client.stdout("x = 1\nimport subprocess\np = subprocess.Popen(['sleep', '1000'])", parent)
    (child,) = fork(client, parent)
    client.stdout("x = 2\np = subprocess.Popen(['sleep', '1000'], start_new_session=True)", child)
    (grandchild,) = fork(client, child)
    ids = [parent, child, grandchild]
    client.stdout("x = 3", grandchild)
    for n in range(3):
        client.delete_session(ids[order[n]])
        for left in sorted(order[n + 1:]):
            alive = "" if left == 2 else "assert p.poll() is None\n"
            assert client.stdout(alive + "print(x)", ids[left]) == f"{left + 1}\n"
    for id in ids:
        assert client.get(f"/api/v1/sessions/{id}").status == 410


def test_the_last_to_go_takes_all_with_it(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    client = server.client
    before = processes.descendants(server.pid)
    parent = client.session()
    client.stdout("import os, subprocess\nif os.fork() == 0:\n    os.setsid()\n    import time\n    time.sleep(1000)", parent)
    ids = [parent, *fork(client, parent, count=4)]
    for id in ids:
        client.stdout("subprocess.Popen('sleep 1000 & setsid sleep 1000 & (sleep 1000 &)', shell=True).wait()", id)
    for id in ids:
        client.delete_session(id)
    until(lambda: not processes.newcomers(server.pid, before), "nothing is left")


def test_only_its_own_processes_go_with_a_member(client, session, family):
    """Processes that have left their session, group and parent behind."""
    daemon = "import subprocess\nprint(subprocess.run('setsid sh -c \"sleep 1000 >/dev/null 2>&1 & echo \\$!\"', shell=True, capture_output=True, text=True).stdout)"
    mine = client.stdout(daemon, session).strip()
    (child,) = family()
    its = client.stdout(daemon, child).strip()
    look = "import os\nprint([os.path.exists(f'/proc/{p}') for p in (%s, %s)])" % (mine, its)
    assert client.stdout(look, session) == "[True, True]\n"
    client.delete_session(child)
    until(lambda: client.stdout(look, session) == "[True, False]\n", "what the child had started is gone, and nothing else")


def test_a_crash_is_one_members_own(client, session, family):
    client.stdout("x = 'kept'", session)
    one, two = family(count=2)
    for code in ("import os\nos._exit(1)", "import ctypes\nctypes.string_at(0)"):
        assert client.execute(code, one)["status"] == "killed"
    assert client.stdout("print(1)", one) == "1\n"
    for id in (session, two):
        assert client.stdout("print(x)", id) == "kept\n"
    client.expect(202, "POST", f"/api/v1/sessions/{two}/restart")
    assert client.execute("x", two)["status"] == "error"
    assert client.stdout("print(x)", session) == "kept\n"


def test_while_the_parent_runs(client, session):
    """The fork waits for what runs, and not for what is in the queue; the parent's stream is its own."""
    client.stdout("x = 1", session)
    busy = client.start("x = 2\n" + until_interrupted("print('up')"), session)
    with client.events(busy) as events:
        events.next("stdout", "up")
        refused = fork(client, session, 409, queue=False)
        assert refused["code"] == "SESSION_BUSY"
        queued = client.start("x = 3", session)
        asking = client.connect()
        asking.request("POST", f"/api/v1/sessions/{session}/fork", "{}", {"Content-Type": "application/json"})
        for _ in range(5):
            client.health()  # each is a turn of the server's loop after the one in which it has read the request
        client.expect(202, "DELETE", f"/api/v1/executions/{busy}")
        answer = asking.getresponse()
        made = [s["id"] for s in json.loads(answer.read())["sessions"]]
        asking.close()
        assert events.result()["status"] == "ok"
    until(lambda: client.execution(queued)["status"] == "ok", "the queue goes on")
    assert client.stdout("print(x)", made[0]) == "2\n" and client.stdout("print(x)", session) == "3\n"
    client.delete_session(made[0])


def test_both_run_at_the_same_time(client, session, family):
    (child,) = family()
    code = "import os, time\nopen('{}', 'w').close()\nwhile not os.path.exists('{}'): time.sleep(0.005)\nprint('met')"
    one = client.start(code.format("a", "b"), session)
    assert client.stdout(code.format("b", "a"), child) == "met\n"
    until(lambda: client.execution(one)["status"] == "ok", "the parent ends, too")


def test_interrupt_is_one_members_own(client, session, family):
    (child,) = family()
    runs = [client.start(until_interrupted("print('up')"), id) for id in (session, child)]
    streams = [client.events(run) for run in runs]
    for stream in streams:
        stream.next("stdout", "up")
    client.expect(202, "POST", f"/api/v1/sessions/{child}/interrupt")
    assert streams[1].result()["status"] == "ok"
    assert client.execution(runs[0])["status"] == "running"
    client.expect(202, "POST", f"/api/v1/sessions/{session}/interrupt")
    assert streams[0].result()["status"] == "ok"
    for stream in streams:
        stream.close()


def test_threads_refuse(client, session, family):
    client.stdout("import threading\ne = threading.Event()\nt = threading.Thread(target=e.wait)\nt.start()", session)
    refused = fork(client, session, 409)
    assert refused["code"] == "FORK_NOT_POSSIBLE" and "thread" in refused["message"]
    client.stdout("e.set()\nt.join()", session)
    assert len(family()) == 1


def test_a_closed_channel_refuses(client, session):
    client.stdout("import os\nos.close(5)", session)
    refused = fork(client, session, 409)
    assert refused["code"] == "FORK_NOT_POSSIBLE" and "descriptor 5" in refused["message"]
    assert client.stdout("print(1)", session) == "1\n"


def test_hostile_readers_of_the_channel_harm_themselves_only(client, session, neighbour_of):
    """A child of the session takes every order that is sent to its parked copies."""
    client.stdout(
        "import os, socket\n"
        "if os.fork() == 0:\n"
        "    s = socket.socket(fileno=os.dup(5))\n"
        "    s.setblocking(True)\n"
        "    while True:\n"
        "        m, fds, *_ = socket.recv_fds(s, 100, 9)\n"
        "        for fd in fds:\n"
        "            try: os.write(fd, b'x' * 4096)\n"
        "            except OSError: pass\n"
        "        try: s.send(b'y' * 12)\n"
        "        except OSError: pass\n",
        session,
    )
    for _ in range(5):
        answer = client.post(f"/api/v1/sessions/{session}/fork")
        assert answer.status in (201, 503), answer
        if answer.status == 201:
            client.delete_session(answer.json["sessions"][0]["id"])
    assert client.stdout("print(1)", session) == "1\n"
    assert client.stdout("print(mine)", neighbour_of) == "safe\n"


@pytest.fixture
def neighbour_of(client):
    id = client.session()
    client.stdout("mine = 'safe'", id)
    yield id
    client.delete_session(id)


def test_a_member_can_be_killed_by_its_relatives_and_no_others(client, session, family, neighbour_of):
    client.stdout("import os, signal", session)
    (child,) = family()
    pid = client.stdout("print(os.getpid())", child).strip()
    client.execute(f"os.kill({pid}, 9)", session)
    until(lambda: client.execute("x = 5", child)["status"] == "ok", "the child is there again")
    client.execute("os.kill(-1, 9)", session)
    assert client.stdout("print(mine)", neighbour_of) == "safe\n"
    for id in (session, child):
        until(lambda: client.execute("print(1)", id)["output"]["stdout"] == "1\n", "it goes on")


def test_fork_after_os_fork_and_exec(client, session, family):
    client.stdout("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nos.waitpid(pid, 0)\nx = 1", session)
    (child,) = family()
    assert client.stdout("import subprocess\nprint(x, subprocess.run(['echo', 'ok'], capture_output=True, text=True).stdout)", child) == "1 ok\n\n"


def test_a_big_array_is_not_copied(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    client = server.client
    small, big = client.session(), client.session()
    client.stdout("x = 1", small)
    assert client.execute("import numpy as np\na = np.ones(40_000_000)", big)["status"] == "ok"  # 320 MB: the limit is 512
    for id in (small, big):
        started = time.monotonic()
        forks = fork(client, id, count=5)
        assert time.monotonic() - started < 30
    if client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        assert client.expect(200, "GET", f"/api/v1/sessions/{big}/stats")["live"]["memory"] < 600_000_000, "there is one"
    assert client.stdout("a[0] = 7\nprint(a[0], a.sum())", forks[3]) == "7.0 40000006.0\n"
    assert client.stdout("print(a[0])", big) == "1.0\n"


def test_a_fork_of_a_fork(client, session, family):
    client.stdout("x = [0]", session)
    ids = [session]
    for n in range(1, 6):
        ids += family(ids[-1])
        client.stdout(f"x.append({n})", ids[-1])
    for n, id in enumerate(ids):
        assert client.stdout("print(x)", id) == f"{list(range(n + 1))}\n"


def test_limits(client, session, make_server):
    for count in (0, 21, "x", 1.5):
        assert client.post(f"/api/v1/sessions/{session}/fork", {"count": count}).status == 400
    assert client.post(f"/api/v1/sessions/{'0' * 8}-0000-4000-8000-{'0' * 12}/fork").status == 404
    server = make_server(env={"MAX_CONCURRENT_SESSIONS": "3"}).start()
    id = server.client.session()
    full = fork(server.client, id, 429, count=3)
    assert full["code"] == "TOO_MANY_SESSIONS"
    assert len(fork(server.client, id, count=2)) == 2
    assert fork(server.client, id, 429)["code"] == "TOO_MANY_SESSIONS"


@pytest.mark.parametrize("tier", TIERS)
def test_twenty_forks_in_each_tier_leave_nothing(make_server, tier):
    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier, env={"SANDBOX_POOL_SIZE": "0"}).start()
    client = server.client
    client.delete_session(client.session())  # what the service starts for its first session is there
    before = processes.descendants(server.pid)
    parent = client.session()
    client.stdout("x = 1", parent)
    ids = fork(client, parent, count=20)
    for n, id in enumerate(ids):
        assert client.stdout(f"x += {n}\nprint(x)", id) == f"{n + 1}\n"
    client.delete_session(parent)
    for id in ids[::-1]:
        assert client.stdout("x += 1\nprint(x > 0)", id) == "True\n"
        client.delete_session(id)
    until(lambda: not processes.newcomers(server.pid, before), "nothing is left")


def test_limits_grow_with_the_family(make_server):
    """Where the kernel counts a session by a control group of its own; else the limits are those of one, and the answer says so."""
    server = make_server().start()
    client = server.client
    session = client.session(resources={"memory": 256 << 20, "processes": 40})
    fill = "import numpy as np\na = np.ones(21_000_000)\nprint(a[0])"  # 168 MB
    assert client.stdout(fill, session) == "1.0\n"
    (child,) = fork(client, session)
    said = client.expect(200, "GET", f"/api/v1/sessions/{child}")["family"]["limits"]
    if not client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        assert said == "one"
        return
    assert said == "sum"
    assert client.stdout("a += 1; print(a[0])", child) == "2.0\n", "what it changes is its own, beyond the limit of one"
    client.delete_session(child)
    assert client.stdout("print(a[0])", session) == "1.0\n"
    client.delete_session(session)


def test_checkpoints_of_a_fork_are_its_own(client, session, family):
    client.stdout("x = 1", session)
    client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": "parent"})
    (child,) = family()
    assert client.post(f"/api/v1/sessions/{child}/rollback", {"checkpointId": "parent"}).status == 404
    client.stdout("x = 2", child)
    client.expect(201, "POST", f"/api/v1/sessions/{child}/checkpoints", {"name": "child"})
    client.stdout("x = 3", child)
    client.stdout("x = 4", session)
    assert client.expect(200, "POST", f"/api/v1/sessions/{child}/rollback", {})["restoredTo"] == 2
    assert client.stdout("print(x)", child) == "2\n" and client.stdout("print(x)", session) == "4\n"
    for id, x in ((child, "2"), (session, "1")):
        client.expect(200, "POST", f"/api/v1/sessions/{id}/rollback", {})
        assert client.execute("import os\nos._exit(1)", id)["state"] == "rolledBack"
        assert client.stdout("print(x)", id) == f"{x}\n"
    (grandchild,) = family(child)
    assert client.stdout("print(x)", grandchild) == "2\n"
    client.delete_session(session)
    client.expect(200, "POST", f"/api/v1/sessions/{child}/rollback", {})
    assert client.stdout("print(x)", child) == "2\n"
    assert client.execute("y = 1; 1 / 0", grandchild, transactional=True)["state"] == "rolledBack"
    assert client.stdout("print('y' in globals(), x)", grandchild) == "False 2\n"
