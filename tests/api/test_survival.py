"""The server process is killed, or replaced: what every session, every execution and every watcher finds afterwards."""

import base64
import hashlib
import os
import random
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from harness import Watcher, processes, retry, until


def kill_server(server):
    """kill -9 of the server process. Returns once another one answers."""
    old = until(server.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)
    until(lambda: server.server_pid() not in (None, old), "another server process runs")
    retry(lambda: server.client.get("/health"))


def watch(client, execution):
    """A watcher in a thread of its own. Returns a function that waits for its end and gives it back."""
    watcher, failure = Watcher(client, execution), []

    def follow():
        try:
            watcher.run()
        except AssertionError as error:
            failure.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()

    def join():
        thread.join(90)
        assert not thread.is_alive() and not failure, failure
        return watcher

    return join


def test_sessions_go_on_when_the_server_process_is_killed(server):
    client = server.client
    session = client.session(metadata={"name": "kept"}, envVars={"COLOUR": "blue"}, variables={"given": 7})
    other = client.session()
    client.stdout("x = [given]; g = (n for n in range(9)); print(next(g))", session)
    client.stdout("open('note.txt', 'w').write('on disk')", session)
    before = client.expect(200, "GET", f"/api/v1/sessions/{session}")
    began = time.monotonic()
    kill_server(server)
    assert time.monotonic() - began < 15
    after = client.expect(200, "GET", f"/api/v1/sessions/{session}")
    for field in ("id", "createdAt", "metadata", "limits", "policy"):
        assert after[field] == before[field]
    assert after["resourceUsage"]["executions"] == before["resourceUsage"]["executions"]
    assert client.stdout("import os; print(x, next(g), os.environ['COLOUR'], open('note.txt').read())", session) == "[7] 1 blue on disk\n"
    assert client.execute("1", session)["executionCount"] == 4
    assert client.stdout("print('other')", other) == "other\n"
    assert client.stdout("print('new')") == "new\n"


def test_a_running_execution_goes_on_and_its_watcher_misses_nothing(server):
    """What Python prints and what is written past it are each whole and in order, and in order with one another but for what was under way in the moment of a death."""
    client, session = server.client, server.client.session()
    letters = str.maketrans("0123456789", "ABCDEFGHIJ")
    execution = client.start(f"import os, time\nfor n in range(4000):\n    print('line', n)\n    if n % 9 == 0: os.write(1, (str(n).translate({letters}) + ';').encode())\n"
                             "    if n % 20 == 0: time.sleep(0.005)\nlast = n", session)
    join = watch(client, execution)
    for _ in range(3):
        time.sleep(0.15)
        kill_server(server)
    watcher = join()
    watcher.assert_joined()
    assert watcher.result()["status"] == "ok"
    text, past = watcher.text(), {n: str(n).translate(letters) + ";" for n in range(0, 4000, 9)}
    assert "".join(c for c in text if c not in "ABCDEFGHIJ;") == "".join(f"line {n}\n" for n in range(4000))
    assert "".join(c for c in text if c in "ABCDEFGHIJ;") == "".join(past.values())
    displaced = [n for n, raw in past.items() if f"line {n}\n{raw}line {n + 1}\n" not in text]
    assert len(displaced) <= len(past) // 4, displaced
    assert client.stdout("print(last)", session) == "3999\n"


def test_the_queue_is_run_by_the_next_process(server):
    client, session = server.client, server.client.session()
    first = client.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\norder = ['first']", session)
    rest = [client.start(f"order.append(name + str({n}))", session, variables={"name": "n"}, envVars={"A": "b"}) for n in range(5)]
    kill_server(server)
    assert [client.execution(e)["status"] for e in [first, *rest]] == ["running"] + ["queued"] * 5
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
    assert Watcher(client, first).run().result()["status"] == "ok"
    for execution in rest:
        assert Watcher(client, execution).run().result()["status"] == "ok"
    assert client.stdout("print(order)", session) == "['first', 'n0', 'n1', 'n2', 'n3', 'n4']\n"


def test_the_files_of_what_waits_are_there_when_it_runs(server):
    client, session = server.client, server.client.session()
    big = random.Random(3).randbytes(6_000_000)
    first = client.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)", session)
    files = {"in/small.txt": {"content": "few words"}, "big.bin": {"content": base64.b64encode(big).decode(), "encoding": "base64"}, "empty": {"content": ""}}
    second = client.start("import hashlib\nprint(open('in/small.txt').read(), hashlib.sha256(open('big.bin', 'rb').read()).hexdigest(), os.path.getsize('empty'))",
                          session, files=files)
    for _ in range(2):
        kill_server(server)
    assert [client.execution(e)["status"] for e in (first, second)] == ["running", "queued"]
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
    result = Watcher(client, second).run().result()
    assert result["output"]["stdout"] == f"few words {hashlib.sha256(big).hexdigest()} 0\n", result


def test_input_is_still_waited_for(server):
    client, session = server.client, server.client.session()
    execution = client.start("name = input('who? ')\nprint('hello', name)", session)
    until(lambda: client.execution(execution)["status"] == "inputRequired", "it waits for input")
    kill_server(server)
    assert client.execution(execution)["status"] == "inputRequired"
    client.expect(202, "POST", f"/api/v1/executions/{execution}/input", {"text": "you"})
    watcher = Watcher(client, execution).run()
    watcher.assert_joined()
    assert watcher.result()["output"]["stdout"] == "hello you\n"


def test_the_time_limit_goes_on_counting(server):
    client, session = server.client, server.client.session()
    client.stdout("kept = 1", session)
    execution = client.start("while True: pass", session, timeout=1500)
    kill_server(server)
    assert Watcher(client, execution).run().result()["status"] == "timeout"
    assert client.stdout("print(kept)", session) == "1\n"


def test_ended_executions_and_their_plots_are_still_there(server):
    client, session = server.client, server.client.session()
    execution = client.start("print('done')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n{'a': 1}", session)
    before = Watcher(client, execution).run()
    plots = client.expect(200, "GET", f"/api/v1/sessions/{session}/plots")["plots"]
    assert len(plots) == 1
    kill_server(server)
    assert client.execution(execution)["result"]["output"]["stdout"] == "done\n"
    before.assert_joined()
    assert client.expect(200, "GET", f"/api/v1/sessions/{session}/plots")["plots"][0]["id"] == plots[0]["id"]
    assert client.get(f"/api/v1/sessions/{session}/plots/{plots[0]['id']}").status == 200


def test_long_frames_and_long_code_survive(server):
    """A value in many frames, and code that does not fit in one write to a worker that does not read: both cut at a random point."""
    client, session = server.client, server.client.session()
    client.stdout("import json, time\nclass Big:\n    def _repr_mimebundle_(self, **_): return {'text/plain': 'é' * 900_000}", session)
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    first = client.start("import os\nwhile not os.path.exists('go'): time.sleep(0.01)\n", session)
    code = "blob = '" + "x" * 700_000 + "'\nfrom IPython.display import display\nfor n in range(3): display(Big())\nprint(len(blob))"
    second = client.start(code, session)
    join = watch(client, second)
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
    Watcher(client, first).run()
    for _ in range(3):
        time.sleep(chance.random() * 0.08)
        kill_server(server)
    watcher = join()
    watcher.assert_joined()
    assert watcher.result()["status"] == "ok"
    assert watcher.text() == "700000\n"


def test_split_letters_and_the_output_limit_are_counted_on(make_server):
    server = make_server(env={"SANDBOX_OUTPUT_BYTES": None}).start()
    client, session = server.client, server.client.session()
    execution = client.start("import os, time\nletter = 'é€😀'.encode()\nfor n in range(1500):\n    for b in letter: os.write(1, bytes([b]))\n"
                             "    if n % 10 == 0: time.sleep(0.002)", session)
    join = watch(client, execution)
    for _ in range(3):
        time.sleep(0.1)
        kill_server(server)
    watcher = join()
    watcher.assert_joined()
    assert watcher.text() == "é€😀" * 1500


def test_an_inspection_under_way_does_no_harm(server):
    client, session = server.client, server.client.session()
    client.stdout("class Slow:\n    def __repr__(self):\n        import time; time.sleep(0.4); return 'slow'\ns = Slow(); y = 5", session)
    cut = threading.Thread(target=lambda: pytest.raises(Exception, client.get, f"/api/v1/sessions/{session}/variables"), daemon=True)
    cut.start()
    time.sleep(0.1)
    kill_server(server)
    cut.join(30)
    assert client.stdout("print(y)", session) == "5\n"
    client.expect(200, "PUT", f"/api/v1/sessions/{session}/variables", {"big": "z" * 300_000})
    assert client.stdout("print(len(big))", session) == "300000\n"


def test_a_session_that_is_used_all_the_time_loses_nothing(server):
    """Cells one after the other while the server process is killed at random: what was answered has happened, and nothing happened twice."""
    client, session = server.client, server.client.session()
    client.stdout("count = 0", session)
    stop, answered, cut = threading.Event(), [0], [0]

    def use():
        while not stop.is_set():
            try:
                if client.post("/api/v1/execute", {"code": "count += 1", "sessionId": session}).status == 200:
                    answered[0] += 1
                else:
                    cut[0] += 1
            except Exception:
                cut[0] += 1
                time.sleep(0.005)

    user = threading.Thread(target=use, daemon=True)
    user.start()
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(6):
        time.sleep(0.1 + chance.random() * 0.2)
        kill_server(server)
    until(lambda: answered[0] > 20, "it has been used")
    stop.set()
    user.join(60)
    count = int(client.stdout("print(count)", session))
    assert answered[0] <= count <= answered[0] + cut[0], (answered, count, cut)


def test_checkpoints_and_what_a_death_leads_back_to(server):
    client, session = server.client, server.client.session(checkpoints="always")
    client.stdout("x = [1]; g = (n for n in range(9)); next(g)", session)
    named = client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": "first"})
    client.stdout("x.append(2)", session)
    kill_server(server)
    kept = client.expect(200, "GET", f"/api/v1/sessions/{session}/checkpoints")["checkpoints"]
    assert [c["name"] for c in kept] == ["first"] and kept[0]["id"] == named["id"]
    died = client.execute("import os; os._exit(3)", session)
    assert (died["status"], died["state"]) == ("killed", "rolledBack"), died
    assert client.stdout("print(x)", session) == "[1, 2]\n"
    kill_server(server)
    client.expect(200, "POST", f"/api/v1/sessions/{session}/rollback", {"checkpointId": named["id"]})
    assert client.stdout("print(x, next(g))", session) == "[1] 1\n"


def test_an_interpreter_that_died_meanwhile_and_a_run_that_is_taken_back(server):
    client, session = server.client, server.client.session(checkpoints="always")
    client.stdout("x = 'kept'", session)
    died = client.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\ntime.sleep(0.05)\nos._exit(4)", session)
    undone = client.start("x = 'gone'\nraise ValueError('no')", session, transactional=True)
    client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
    kill_server(server)
    kill_server(server)
    assert Watcher(client, died).run().result()["status"] == "killed"
    result = Watcher(client, undone).run().result()
    assert (result["status"], result["state"]) == ("error", "rolledBack"), result
    assert client.stdout("print(x)", session) == "kept\n"


def test_a_death_of_which_only_the_use_is_not_known_yet(server):
    """What a dead run has used is the zygote's to say. Meanwhile its state is back, and the server process that has heard so is killed."""
    client, session = server.client, server.client.session(checkpoints="always")
    client.stdout("x = 'kept'", session)
    died = client.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)\nos._exit(4)", session)
    zygote = until(server.zygote_pid, "the zygote's number is known")
    os.kill(zygote, signal.SIGSTOP)
    try:
        until(lambda: processes.state(zygote) == "T", "it stands still: nobody else brings forth a worker")
        before = processes.descendants(server.pid)
        client.expect(201, "PUT", f"/api/v1/sessions/{session}/files/go", b"", headers={"Content-Type": "application/octet-stream"})
        until(lambda: [p for p in processes.newcomers(server.pid, before) if processes.name(p) == "penny-worker"], "the copy that was woken has been copied again", 10)
        os.kill(server.server_pid(), signal.SIGKILL)
    finally:
        os.kill(zygote, signal.SIGCONT)
    result = Watcher(client, died).run().result()
    assert (result["status"], result["state"], result["restoredTo"]) == ("killed", "rolledBack", 1), result
    assert client.stdout("print(x)", session) == "kept\n"


def test_forks_are_sessions_of_their_own_afterwards(server):
    client, parent = server.client, server.client.session()
    client.stdout("x = 1", parent)
    children = [s["id"] for s in client.expect(201, "POST", f"/api/v1/sessions/{parent}/fork", {"count": 2})["sessions"]]
    client.stdout("x = 2", children[0])
    kill_server(server)
    assert [client.stdout("print(x)", s) for s in (parent, *children)] == ["1\n", "2\n", "1\n"]
    client.delete_session(parent)
    kill_server(server)
    assert client.stdout("print(x)", children[0]) == "2\n"
    assert client.expect(201, "POST", f"/api/v1/sessions/{children[0]}/fork", {"count": 1})["sessions"]


def test_groups_of_ended_sessions_go_although_the_zygote_has_died(make_server):
    """They are removed a moment after their session: here by the next zygote."""
    server = make_server(env={"SANDBOX_POOL_SIZE": "2"}).start()
    client = server.client
    if not client.health()["isolation"]["layers"]["cgroupMemory"]["active"]:
        pytest.skip("no control group can be made here")

    def deserted():
        return [path for path in server.cgroups() if re.fullmatch(r".*/s[0-9]+", path) and is_deserted(path)]

    def is_deserted(group):
        try:
            return not Path(group, "cgroup.procs").read_text()
        except OSError:  # it is gone meanwhile
            return False

    living, *others = [client.session() for _ in range(8)]
    until(lambda: client.health()["sessions"]["pooled"] == 2, "no session is in the making")
    zygote = server.zygote_pid()
    for session in others:
        client.delete_session(session)
    os.kill(zygote, signal.SIGKILL)
    until(lambda: client.stdout("print(1)") == "1\n", "a new zygote makes sessions")
    until(lambda: not deserted(), "no group is left that has no process")
    assert client.stdout("print('alive')", living) == "alive\n"


def test_nothing_is_left_after_deaths_and_a_clean_end(make_server):
    server = make_server(env={"SANDBOX_POOL_SIZE": "2"}).start()
    client = server.client
    session = client.session()
    running = client.start("while True: pass", session, timeout=300000)
    ended = client.session()
    kill_server(server)
    client.delete_session(ended)
    assert client.get(f"/api/v1/sessions/{ended}").status == 410
    kill_server(server)
    assert client.get(f"/api/v1/sessions/{ended}").status in (404, 410)
    until(lambda: len([p for p in processes.descendants(server.pid) if processes.name(p) == "penny-init"]) <= 5, "no old jail is left")
    client.expect(202, "DELETE", f"/api/v1/executions/{running}")
    server.stop()
    server.assert_no_files_left()
