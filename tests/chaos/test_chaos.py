"""A mixed load while processes are killed and stopped and connections cut at random; then everything that was promised is checked.

CHAOS_SEED repeats a run's choices (printed at its start), CHAOS_SECONDS makes it longer. Some users' sessions are spared: only server process
and zygote die around them, and nothing of theirs may be lost. The others' interpreters and inits are killed, too: whatever happens
there must be said truthfully, and their session goes on or is gone.
"""

import http.client
import os
import random
import signal
import threading
import time

from harness import Watcher, processes, retry, until

SECONDS = float(os.environ.get("CHAOS_SECONDS", 15))
SEED = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1 << 30))
NAME = b"chaos-victim"
CUT = (OSError, http.client.HTTPException)
ENDS = ("ok", "error", "timeout", "memory", "interrupted", "killed", "rejected", "lost")


class User(threading.Thread):
    """One session and what must be true of it."""

    def __init__(self, client, seed, is_spared, over):
        super().__init__(daemon=True)
        self.client, self.chance, self.is_spared, self.over = client, random.Random(seed), is_spared, over
        self.session = retry(lambda: client.post("/api/v1/sessions", {"checkpoints": "always"})).json["id"]
        self.made = 0  # executions, of which a session keeps the last 128
        self.known = self.unknown = 0  # increments that were answered; that may have happened
        self.files, self.executions, self.failures = {}, [], []
        first = "count = 0" if is_spared else f"count = 0\nimport ctypes\nctypes.CDLL(None).prctl(15, {NAME!r})"
        retry(lambda: client.post("/api/v1/execute", {"code": first, "sessionId": self.session}))

    def run(self):
        actions = [self.increment] * 4 + [self.watch, self.queue, self.file, self.variables, self.checkpoint, self.fork]
        while not self.over.is_set():
            try:
                self.chance.choice(actions)()
            except CUT:
                time.sleep(0.01)
            except AssertionError as error:
                self.failures.append(error)
                return

    def execute(self, code, **fields):
        self.made += 1
        answer = self.client.post("/api/v1/execute", {"code": code, "sessionId": self.session, **fields})
        assert answer.status in (200, 503) or not self.is_spared, answer
        return answer.json if answer.status == 200 else None

    def increment(self):
        self.unknown += 1
        result = self.execute("count += 1")
        if result is not None:
            assert result["status"] in ENDS, result
            assert not self.is_spared or (result["success"] and result["state"] == "kept"), result
            self.known += 1
            self.unknown -= 1

    def begin(self, code):
        self.made += 1
        answer = self.client.post("/api/v1/executions", {"code": code, "sessionId": self.session})
        if answer.status != 202:
            assert not self.is_spared or answer.status == 503, answer
            return None
        self.executions.append((answer.json["executionId"], code, self.made))
        return answer.json["executionId"]

    def watch(self):
        """Reads a part, is cut off, or stalls; the rest is read at the end."""
        execution = self.begin(f"import time\nfor n in range({self.chance.randrange(20, 400)}):\n    print('é', n, flush=n % 7 == 0)\n"
                               "    if n % 50 == 0: time.sleep(0.01)")
        if execution is not None:
            with self.client.events(execution) as stream:
                for _ in range(self.chance.randrange(1, 6)):
                    next(stream, None)
                time.sleep(self.chance.random() * 0.1)

    def queue(self):
        for _ in range(3):
            self.begin(f"print('queued', {self.chance.randrange(1000)})")

    def file(self):
        name, data = f"f{self.chance.randrange(5)}", self.chance.randbytes(self.chance.randrange(1, 50_000))
        self.files.pop(name, None)
        path = f"/api/v1/sessions/{self.session}/files/{name}"
        if self.client.request("PUT", path, data, headers={"Content-Type": "application/octet-stream"}).status in (200, 201):
            self.files[name] = data

    def variables(self):
        value = self.chance.randrange(1 << 30)
        answer = self.client.request("PUT", f"/api/v1/sessions/{self.session}/variables", {"given": value})
        if answer.status == 200 and self.is_spared:
            result = self.execute("print(given)")
            assert result is None or result["output"]["stdout"] == f"{value}\n", result

    def checkpoint(self):
        path = f"/api/v1/sessions/{self.session}/checkpoints"
        answer = self.client.post(path, {"name": "c"})
        if answer.status == 201:
            self.client.delete(f"{path}/{answer.json['id']}")

    def fork(self):
        answer = self.client.post(f"/api/v1/sessions/{self.session}/fork", {"count": 1})
        for child in answer.json.get("sessions", []) if answer.status == 201 else []:
            retry(lambda: self.client.delete(f"/api/v1/sessions/{child['id']}"))

    # -- afterwards --

    def check(self):
        assert not self.failures, self.failures[0]
        alive = self.client.get(f"/api/v1/sessions/{self.session}").status == 200
        assert alive or not self.is_spared
        if not alive:
            return
        for execution, code, made in self.executions:
            if self.made - made > 100:
                continue
            answer = self.client.get(f"/api/v1/executions/{execution}")
            assert answer.status == 200 or not self.is_spared, (execution, answer)
            if answer.status == 200:
                self.check_execution(execution, code)
        result = self.client.execute("print(count)" if self.is_spared else "print('works')", self.session)
        assert result["success"], result
        if self.is_spared:
            count = int(result["output"]["stdout"])
            assert self.known <= count <= self.known + self.unknown, (self.known, count, self.unknown)
            for name, data in self.files.items():
                assert self.client.get(f"/api/v1/sessions/{self.session}/files/{name}").body == data, name

    def check_execution(self, execution, code):
        watcher = Watcher(self.client, execution).run()
        watcher.assert_joined()
        last = watcher.events[-1]
        if last.type == "error":  # the service could not run it, and says so
            assert last.data["error"] == "SERVER_DIED", last.text
            return
        assert last.data["status"] in ENDS and (last.data["status"] == "ok" or not self.is_spared), last.text
        if last.data["status"] == "ok" and "range" in code:
            rounds = int(code.partition("range(")[2].partition(")")[0])
            assert watcher.text() == "".join(f"é {n}\n" for n in range(rounds))
        if last.data["status"] == "ok" and "queued" in code:
            assert watcher.text() == code.partition("'queued', ")[2].rstrip(")").join(("queued ", "\n"))


class Faults:
    def __init__(self, server, chance):
        self.server, self.chance, self.log = server, chance, []
        self.kinds = [self.kill_server] * 4 + [self.kill_zygote] + [self.kill_victim] * 4 + [self.kill_init, self.stop_server, self.stop_zygote]

    def strike(self):
        kind = self.chance.choice(self.kinds)
        self.log.append(kind.__name__)
        kind()

    def _kill(self, pid, number=signal.SIGKILL):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, TypeError):
            pass

    def _settle(self):
        """Server process and zygote hold the sessions together: both gone at once is the end of all, so the other one is waited for. A
        new session comes from the zygote of now, since there is no pool."""
        answer = retry(lambda: self.server.client.post("/api/v1/sessions", {}))
        assert answer.status == 201, answer
        retry(lambda: self.server.client.delete(f"/api/v1/sessions/{answer.json['id']}"))

    def kill_server(self):
        self._kill(until(self.server.server_pid, "a server process runs"))
        self._settle()

    def kill_zygote(self):
        old = until(self.server.zygote_pid, "a zygote runs")
        self._kill(old)
        until(lambda: self.server.zygote_pid() not in (None, old), "another zygote runs")
        self._settle()

    def _victims(self):
        return [pid for pid in processes.descendants(self.server.pid) if processes.name(pid) == NAME.decode()]

    def kill_victim(self):
        victims = self._victims()
        if victims:
            self._kill(self.chance.choice(victims))

    def kill_init(self):
        inits = [pid for pid in processes.descendants(self.server.pid) if processes.name(pid) == "penny-init"
                 and any(processes.name(child) == NAME.decode() for child in processes.children(pid))]
        if inits:
            self._kill(self.chance.choice(inits))

    def _stop(self, pid):
        self._kill(pid, signal.SIGSTOP)
        time.sleep(self.chance.random() * 0.2)
        self._kill(pid, signal.SIGCONT)

    def stop_server(self):
        self._stop(self.server.server_pid())

    def stop_zygote(self):
        self._stop(self.server.zygote_pid())


def test_nothing_that_was_promised_is_lost(make_server):
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:g}", flush=True)
    chance = random.Random(SEED)
    server = make_server(env={"SANDBOX_POOL_SIZE": "0"}).start()
    stop = threading.Event()
    users = [User(server.client, chance.random(), n % 2 == 0, stop) for n in range(6)]
    faults = Faults(server, chance)
    for user in users:
        user.start()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and all(not user.failures for user in users):
        time.sleep(chance.random() * 0.3)
        faults.strike()
    stop.set()
    for user in users:
        user.join(60)
        assert not user.is_alive(), "a request never came back"
    print("struck:", {kind: faults.log.count(kind) for kind in sorted(set(faults.log))}, flush=True)
    retry(lambda: server.client.get("/health"))
    for user in users:
        user.check()
    assert sum(user.known for user in users if user.is_spared) > 0
    check_nothing_leaks(server)
    server.stop()
    server.assert_no_files_left()


def check_nothing_leaks(server):
    """All sessions deleted: no process of theirs is left, and no descriptor in the processes that held them."""
    for session in server.client.get("/api/v1/sessions?limit=100").json["sessions"]:
        server.client.delete(f"/api/v1/sessions/{session['id']}")
    until(lambda: not [p for p in processes.descendants(server.pid) if processes.name(p) in ("penny-init", "penny-worker", NAME.decode())],
          "no process of a session is left", 20)
    for pid, most in ((server.server_pid(), 64), (server.zygote_pid(), 48)):
        until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= most, f"no descriptor of a session is left in {processes.name(pid)}", 20)
