"""This service over HTTP, as it ships: default policies, import policy `standard`, every layer of the jail that the host gives, checkpoints adaptive."""

import http.client
import json
import os
import re
import resource
import subprocess
import time
from pathlib import Path

from harness import Server, processes, until
from harness.policies import write_policies

import cells
from measure import CLIENT, Refused, huge_bytes, load, memory_bytes, middle, resident_bytes, run, run_us, small_kilobytes, summary, timed

POOL = 16
EXECUTE, STREAM = "/api/v1/execute", "/api/v1/execute/stream"


def server(workplace, name, **env):
    return Server(Path(workplace) / name, env={"SANDBOX_POOL_SIZE": str(POOL), "LOG_LEVEL": "warn", **env})


def body(code, session=None, **fields):
    return json.dumps({"code": code, **({"sessionId": session} if session else {}), **fields})


def execute(code, session=None, **fields):
    return f"POST {EXECUTE} {body(code, session, **fields)}"


def delete(session):
    return f"DELETE /api/v1/sessions/{session}"


def at_rest(service, pool=POOL):
    """Waits until the pool is full and no session lives."""
    until(lambda: (s := service.client.health()["sessions"])["active"] == 0 and s["pooled"] >= pool, "the pool is full and no session lives", 120)


def make(service, count, connections=4):
    """Makes sessions. Returns (ids, microseconds of each, seconds); Refused when there can't be so many."""
    times, ids, seconds, refused = load(service.port, ["POST /api/v1/sessions {}"], count, connections)
    if refused:
        end(service, ids)
        raise Refused(f"after {len(ids)} sessions: {refused}")
    return ids, times, seconds


def end(service, sessions, connections=16):
    """Deletes sessions. Returns the seconds it took."""
    if not sessions:
        return 0
    _, _, seconds, refused = load(service.port, map(delete, sessions), len(sessions), min(connections, len(sessions)))
    if refused:
        raise Refused(refused)
    return seconds


def end_wholly(service, sessions):
    """Deletes sessions. Returns the seconds until the last was answered, and until there is neither a process nor a control group of them; the pool's stay."""
    places = [place for place in service.cgroups() if place.endswith(service.group_name)]
    start = time.monotonic()
    answered = end(service, sessions)
    groups = lambda: max((sum(name[0] == "s" and name[1:].isdigit() for name in os.listdir(place)) for place in places), default=0)  # noqa: E731
    until(lambda: max(groups(), len(processes.children(service.zygote_pid()))) <= POOL + 3, "nothing is left of the sessions", 120)
    return answered, time.monotonic() - start


def end_all(service):
    while found := service.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]:
        end(service, [s["id"] for s in found])


def streams(service, code, session=None, count=1):
    """Returns a list of (first event, first text, end: microseconds; bytes; lines)."""
    lines = run(CLIENT, "stream", str(service.port), str(count), STREAM, body(code, session)).splitlines()
    return [tuple(float(n) for n in line.split()) for line in lines]


# ---- one session ----

def first_output(service, rounds, pool):
    """New session to its first output, in one request: each in its turn, the session deleted and the pool refilled before the next."""
    texts = []
    for _ in range(rounds):
        at_rest(service, pool)
        texts.append(streams(service, "print(1)")[0][1])
        end_all(service)
    return summary(texts)


def _answer(run_cell, cell, code=cells.CODE):
    took, result = timed(run_cell, code[cell])
    plots = result["output"]["plots"]
    cells.check(cell, result["output"]["stdout"], bool(plots) and plots[0]["data"].startswith("iVBOR"))
    return took, result["sessionId"]


def fresh(service, cell, rounds, pool=POOL):
    """A cell in a session of its own: from the request to the whole answer. pool: how many sessions are kept ready for it."""
    times = []
    for _ in range(rounds):
        at_rest(service, pool)
        took, session = _answer(service.client.execute, cell, cells.FRESH)
        times.append(took)
        end(service, [session])
    return summary(times)


class Kept:
    """A session and a client in Python that reads its answers whole, as the alternatives have; over one keep-alive connection."""

    def __init__(self, service):
        self.service, self.id = service, service.client.session()
        self.connection = http.client.HTTPConnection("127.0.0.1", service.port)

    def begin(self, code):
        self.connection.request("POST", EXECUTE, body(code, self.id), {"Content-Type": "application/json"})

    def finish(self):
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise Refused(text[:300])
        return json.loads(text)

    def run(self, code):
        self.begin(code)
        return self.finish()

    def close(self):
        self.connection.close()
        end(self.service, [self.id])


def kept_by_python(service, cell, rounds):
    """A cell in a session that lives, by such a client."""
    session = Kept(service)
    session.run(cells.KEPT_SETUP)
    _answer(session.run, cell)
    figure = summary(_answer(session.run, cell)[0] for _ in range(rounds))
    session.close()
    return figure


def kept(service, cell, rounds):
    """The same by a client that costs next to nothing."""
    session = service.client.session()
    service.client.execute(cells.KEPT_SETUP, session)
    _answer(lambda code: service.client.execute(code, session), cell)
    times, _, seconds, refused = load(service.port, [execute(cells.CODE[cell], session)], rounds, 1)
    if refused:
        raise Refused(refused)
    end(service, [session])
    return {**summary(times), "per_second": rounds / seconds}


def increments(service, connections, count, **fields):
    """`x += 1`, one session to each connection."""
    sessions = [service.client.session(**fields) for _ in range(connections)]
    requests = [execute("x += 1", s) for s in sessions]
    for _ in range(3):
        load(service.port, [execute("x = 0", s) for s in sessions], connections, connections)
    before = _processor_us(service)
    times, _, seconds, refused = load(service.port, requests, count, connections)
    after = _processor_us(service)
    end(service, sessions)
    if refused:
        raise Refused(refused)
    return {**summary(times), "per_second": count / seconds, **{f"{name}_cpu_us": (after[name] - before[name]) / count for name in after}}


def _processor_us(service):
    """Processor time so far of the server, of the workers with all that is in the jails, and of the clients that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"server": run_us(service.server_pid()), "worker": sum(map(run_us, processes.descendants(service.zygote_pid()))),
            "client": (usage.ru_utime + usage.ru_stime) * 1e6}


def checkpoints(service, connections, count, rounds=3):
    """Back-to-back cells with copies taken as the budget allows, beside none: by turns, since the machine is never twice the same."""
    each = {"off": [], "adaptive": []}
    for n in range(rounds):
        for mode in sorted(each, reverse=n % 2):
            each[mode].append(increments(service, connections, count, checkpoints=mode)["per_second"])
    ratios = sorted(a / o for a, o in zip(each["adaptive"], each["off"]))
    return {**{f"{mode}_per_second": sorted(values)[rounds // 2] for mode, values in each.items()}, "ratio": ratios[rounds // 2]}


# ---- streams ----

def events(service, rounds, **fields):
    """A stream's first event and first text, each over a connection of its own."""
    session = service.client.session(**fields)
    service.client.execute("print(1)", session)
    found = streams(service, "print(1)", session, rounds)
    end(service, [session])
    return {"first_event": summary([f[0] for f in found]), "first_output": summary([f[1] for f in found])}


def _lines_by_python(service, session):
    """Lines a second of a million that are printed, to a client in Python that parses each event, as the alternatives have."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    start, lines = time.perf_counter(), 0
    connection.request("POST", STREAM, body(cells.MANY_LINES, session), {"Content-Type": "application/json"})
    for line in connection.getresponse():
        if line.startswith(b"data: ") and (event := json.loads(line[6:]))["type"] == "stdout":
            lines += event["data"].count("\n")
    took = time.perf_counter() - start
    connection.close()
    assert lines == cells.LINES, f"{lines} lines"
    return lines / took


def throughput(workplace, rounds):
    """A million short lines, and 200 MB in lines of 1 KB, to one reader; the output limit raised so that nothing is cut."""
    policies = Path(workplace) / "wide"
    policies.mkdir()
    wide = write_policies(policies, resources={"execution": {"maxOutputSize": 1 << 30}})
    with server(workplace, "throughput", SANDBOX_POLICY_DIR=wide) as service:
        session = service.client.session()
        short, long = (sorted((streams(service, code, session)[0] for _ in range(rounds)), key=lambda s: s[2])[rounds // 2]
                       for code in (cells.MANY_LINES, "s = 'x' * 1000\nfor i in range(200000): print(s)"))
        by_python = middle([_lines_by_python(service, session) for _ in range(rounds)])
    assert short[4] == cells.LINES and long[4] == 200000, "a line is missing"
    return {"lines_per_second": short[4] / short[2] * 1e6, "lines_per_second_by_python": by_python, "text_bytes_per_second": long[4] * 1001 / long[2] * 1e6}


def watchers(service, count):
    """As many readers of one execution at once; each must get every event to the last."""
    lines = 20000
    execution = service.client.start(f"input()\nfor i in range({lines}): print(i)")
    path = f"/api/v1/executions/{execution}/events"
    until(lambda: service.client.execution(execution)["status"] == "inputRequired", "the program waits for input")
    with subprocess.Popen([CLIENT, "watch", str(service.port), str(count), path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        if client.stdout.readline() != "ready\n":
            raise Refused(client.stderr.read()[-300:])
        time.sleep(0.2)  # the machine at rest
        service.client.expect(202, "POST", f"/api/v1/executions/{execution}/input", {"text": "go"})
        fields = [tuple(map(float, line.split())) for line in client.stdout]
    counts = {f[3] for f in fields}
    assert len(fields) == count and len(counts) == 1, f"watchers were given different events: {counts}"
    seconds = max(f[1] for f in fields) / 1e6
    end_all(service)
    return {"watchers": count, "lines": lines, "seconds": seconds, "last_watcher_first_event_us": max(f[0] for f in fields),
            "bytes_per_second": sum(f[2] for f in fields) / seconds}


# ---- many sessions ----

def burst(workplace, count):
    """As many sessions asked for at once as the pool has."""
    with server(workplace, "burst", SANDBOX_POOL_SIZE=str(count)) as service:
        at_rest(service, count)
        ids, times, seconds = make(service, count, 16)
        end(service, ids)
    return {**summary(times), "sessions": count, "per_second": count / seconds}


def resident(service):
    return {"server": resident_bytes(service.server_pid()), "zygote": resident_bytes(service.zygote_pid()), "supervisor": resident_bytes(service.pid)}


def cycles(service, count, seconds, parts=10):
    """Sessions made, used once and deleted, over 16 connections; what the service's own processes hold after each tenth."""
    rates, times, memory = [], [], [resident(service)]
    done = 0
    start = time.monotonic()
    while done < count and (left := seconds - (time.monotonic() - start)) > 0.2:
        part = run(CLIENT, "cycle", str(service.port), str(min(count - done, max(1, count // parts))), "16", str(min(left, seconds / parts)), "print(1)").splitlines()
        times += [tuple(map(float, line.split())) for line in part[:-1]]
        done += len(part) - 1
        rates.append((len(part) - 1) / float(part[-1].split()[1]))
        memory.append(resident(service))
    at_rest(service)
    return {"cycles": done, "per_second": done / (time.monotonic() - start), "per_second_each_part": rates, "whole": summary(map(sum, times)), "create": summary([t[0] for t in times]),
            "run": summary([t[1] for t in times]), "delete": summary([t[2] for t in times]), "resident_bytes": memory}


def idle_memory(service, count):
    """Memory of a session that nobody has used yet, of one after a cell, and of one after the cell that imports the libraries; the last two with the copy of
    their state."""
    at_rest(service)
    before, objects = memory_bytes(), small_kilobytes()
    ids, _, _ = make(service, count)
    at_pool(service)
    at_shed()
    idle, objects = (memory_bytes() - before) / count, (small_kilobytes() - objects) / count
    after = []
    for cell in ("x = 1", cells.KEPT_SETUP):
        load(service.port, [execute(cell, s) for s in ids], count, 1)
        at_rest_of_copies(service)
        after.append((memory_bytes() - before) / count)
    end(service, ids)
    return {"sessions": count, "idle_bytes": idle, "used_bytes": after[0], "imported_bytes": after[1], "small_kilobytes": objects}


def at_pool(service):
    until(lambda: service.client.health()["sessions"]["pooled"] >= POOL, "the pool is full", 120)


def _settles(value, what):
    """Waits until a figure has not changed for three seconds."""
    seen = []

    def has_settled():
        time.sleep(0.1)
        seen.append(value())
        return len(seen) > 30 and len(set(seen[-30:])) == 1

    until(has_settled, what, 120)


def at_shed():
    """Waits until sessions that have run nothing have given back what only a first cell needs: the machine's memory has not fallen for three seconds."""
    seen = []

    def falls_no_more():
        time.sleep(0.1)
        seen.append(memory_bytes())
        return len(seen) > 30 and seen[-31] - seen[-1] < 2 << 20

    until(falls_no_more, "memory falls no more", 120)


def at_limit(service):
    """Where the machine lets no more sessions be, the pool does not fill: waits until it has stopped changing."""
    _settles(lambda: service.client.health()["sessions"]["pooled"], "the pool does not change")


def copies(service):
    """How many copies of sessions' states have been made."""
    return float(re.search(r"^penny_checkpoint_duration_seconds_count (.+)$", service.client.get("/metrics").body.decode(), re.M)[1])


def wait_for_copies(service, count, seconds):
    """Waits until so many have been made. They stand in line for the machine's part in copying, and have to save up for it: what was not their turn by then is not counted."""
    end = time.monotonic() + seconds
    while copies(service) < count and time.monotonic() < end:
        time.sleep(0.1)


def at_rest_of_copies(service):
    """Waits until no session's state is being copied any more."""
    _settles(lambda: copies(service), "no more copies are made")


def big(workplace, rounds):
    """Checkpoint, rollback and fork of a session that holds 1 GB, beside those of one that holds nothing."""
    found = {}
    with server(workplace, "big", MAX_MEMORY_PER_SESSION="8G") as service:
        for name, code in (("empty", "a = [0]"), ("gigabyte", "import numpy as np\na = np.ones(2 ** 27)")):
            session = service.client.session()
            assert service.client.execute(code, session)["success"]
            found[f"{name}_huge_bytes"] = max(map(huge_bytes, processes.descendants(service.zygote_pid())))
            found[name] = _big_rounds(service, session, rounds)
            end(service, [session])
    return found


def _big_rounds(service, session, rounds):
    path = f"/api/v1/sessions/{session}"
    times = {"checkpoint": [], "rollback": [], "fork": []}
    value = service.client.stdout("print(a[0])", session)
    for _ in range(rounds):
        took, made = timed(service.client.expect, 201, "POST", f"{path}/checkpoints", {"name": "here"})
        times["checkpoint"].append(took)
        service.client.execute("a[0] = 7", session)
        took, _ = timed(service.client.expect, 200, "POST", f"{path}/rollback", {"checkpointId": made["id"]})
        times["rollback"].append(took)
        assert service.client.stdout("print(a[0])", session) == value, "the rollback has not brought the value back"
        took, forks = timed(service.client.expect, 201, "POST", f"{path}/fork", {"count": 1})
        times["fork"].append(took)
        end(service, [s["id"] for s in forks["sessions"]])
    return {name: summary(values) for name, values in times.items()}


def layers(service):
    """The layers of the jail that hold, as /health says."""
    isolation = service.client.health()["isolation"]
    return {"tier": service.tier, "level": isolation["level"], "active": sorted(name for name, layer in isolation["layers"].items() if layer["active"]),
            "off": {name: layer["detail"] for name, layer in isolation["layers"].items() if not layer["active"]},
            "version": re.sub(r"\s", " ", str(service.client.health()["version"]))}
