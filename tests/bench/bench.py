"""make bench: what the service takes, as ratios to what the machine itself takes, beside what people use today.

One run, about three minutes, all in it measured on the same machine in the same minutes. Prints a table; figures in build/bench.json.
Nothing here is asserted: a number is a finding, not a test.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import BUILD, Server, until  # noqa: E402

CLIENT, LIMITS = str(BUILD / "bench/client"), str(BUILD / "bench/limits")
MEMORY = ("AnonPages", "PageTables", "Slab", "KernelStack", "Shmem")
SESSIONS = 1000
POOL = 16


def summary(values_us):
    values = sorted(values_us)
    return {"n": len(values), "p50_us": statistics.median(values), "p99_us": values[min(len(values) - 1, int(len(values) * 0.99))]}


def say(what):
    print(f"  {'BENCH':8} {what}", file=sys.stderr, flush=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"{command[:3]}: {done.stderr}")
    return done.stdout


def body(code, session=None, **fields):
    return json.dumps({"code": code, **({"sessionId": session} if session else {}), **fields})


# ---- the limits of the machine ----

def limit(kind, count):
    return summary(map(float, run(LIMITS, kind, str(count)).split()))


# ---- what people use today ----

def python_per_request(rounds=40):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(["/usr/bin/python3", "-c", "print(1)"], stdout=subprocess.PIPE, check=True)
        times.append((time.perf_counter() - start) * 1e6)
    return summary(times)


def kernel_output(client, code):
    """Runs code in a kernel. Returns (microseconds to the first output or None, to the reply and idle)."""
    start = time.perf_counter()
    first = [None]

    def hook(message):
        if message["msg_type"] == "stream" and first[0] is None:
            first[0] = (time.perf_counter() - start) * 1e6

    client.execute_interactive(code, output_hook=hook, timeout=60)
    return first[0], (time.perf_counter() - start) * 1e6


def ipykernel(rounds=5, trips=200):
    from jupyter_client.manager import KernelManager

    creates, first_outputs, increments, memory = [], [], [], None
    for n in range(rounds):
        before = memory_bytes()
        start = time.perf_counter()
        manager = KernelManager()
        manager.start_kernel(stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        kernel_output(client, "print(1)")
        creates.append((time.perf_counter() - start) * 1e6)
        if n == rounds - 1:
            kernel_output(client, "x = 0")
            first_outputs = [kernel_output(client, "print(1)")[0] for _ in range(trips)]
            increments = [kernel_output(client, "x += 1")[1] for _ in range(trips)]
            memory = memory_bytes() - before
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return {"create": summary(creates), "first_output": summary(first_outputs), "increment": summary(increments), "memory_bytes": memory}


# ---- this service ----

def memory_bytes():
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return sum(int(fields[name].split()[0]) * 1024 for name in MEMORY)


def server(workplace, **env):
    settings = {"SANDBOX_PROFILE": "open", "MAX_CONCURRENT_SESSIONS": str(SESSIONS + 500), "MAX_CONCURRENT_EXECUTIONS": "64", **env}
    return Server(Path(workplace) / str(time.monotonic_ns()), env=settings)


def stream_once(service, code, session=None):
    """Returns (first event, first text, end: microseconds; bytes; lines)."""
    first, text, total, count, lines = run(CLIENT, "stream", str(service.port), "/api/v1/execute/stream", body(code, session)).split()
    return float(first), float(text), float(total), int(count), int(lines)


def at_rest(service, pool):
    """Waits until the pool is full and no session lives."""
    until(lambda: (s := service.client.health()["sessions"])["active"] == 0 and s["pooled"] >= pool, "the pool is full")


def creates(service, rounds, pool):
    """New session to its first output, in one request: each in its turn, the session deleted and the pool refilled before the next."""
    texts, ends = [], []
    for _ in range(rounds):
        at_rest(service, pool)
        known = {s["id"] for s in service.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]}
        _, text, end, _, _ = stream_once(service, "print(1)")
        texts.append(text)
        ends.append(end)
        for found in service.client.expect(200, "GET", "/api/v1/sessions?limit=100")["sessions"]:
            if found["id"] not in known:
                service.client.delete_session(found["id"])
    return {"first_output": summary(texts), "whole": summary(ends)}


def trips(service, connections, count, **fields):
    sessions = [service.client.session(**fields) for _ in range(connections)]
    for session in sessions:
        for _ in range(3):
            service.client.execute("x = 0", session)
    lines = run(CLIENT, "trip", str(service.port), str(count), str(connections), "/api/v1/execute", *(body("x += 1", s) for s in sessions)).split("\n")
    seconds = float(next(line for line in lines if line.startswith("total")).split()[1])
    times = [float(line) for line in lines if line and line[0].isdigit()]
    for session in sessions:
        service.client.delete_session(session)
    return {**summary(times), "per_second": count / seconds}


def checkpoints(service, connections, count, rounds=3):
    """Back-to-back cells with copies taken as the budget allows, beside none: by turns, since the machine is never twice the same."""
    each = {"off": [], "adaptive": []}
    for n in range(rounds):
        for mode in sorted(each, reverse=n % 2):
            each[mode].append(trips(service, connections, count, checkpoints=mode)["per_second"])
    figures = {f"{mode}_per_second": statistics.median(values) for mode, values in each.items()}
    return {**figures, "ratio": statistics.median(a / o for a, o in zip(each["adaptive"], each["off"]))}


def streaming(service, rounds=3):
    session = service.client.session()
    service.client.execute("print(1)", session)
    best = min((stream_once(service, "for i in range(1000000): print(i)", session) for _ in range(rounds)), key=lambda r: r[2])
    firsts = [stream_once(service, "print(1)", session) for _ in range(300)]
    service.client.delete_session(session)
    return {"lines": best[4], "lines_per_second": best[4] / best[2] * 1e6, "bytes_per_second": best[3] / best[2] * 1e6,
            "first_event": summary([f[0] for f in firsts]), "first_output": summary([f[1] for f in firsts])}


def idle_memory(service):
    before = memory_bytes()
    start = time.perf_counter()
    sessions = [service.client.session() for _ in range(SESSIONS)]
    seconds = time.perf_counter() - start
    each = (memory_bytes() - before) / SESSIONS
    start = time.perf_counter()
    for session in sessions:
        service.client.delete_session(session)
    return {"sessions": SESSIONS, "bytes_each": each, "creates_per_second": SESSIONS / seconds, "deletes_per_second": SESSIONS / (time.perf_counter() - start)}


def measure():
    found = {"machine": {"cpu": cpu_name(), "cores": len(Path("/proc/cpuinfo").read_text().split("processor\t")) - 1, "kernel": platform.release()}}
    say("the machine: bare fork, bare pipe ping-pong")
    found["fork"], found["pipe"] = limit("fork", 3000), limit("pipe", 50000)
    with tempfile.TemporaryDirectory(prefix="penny-bench-") as workplace:
        Path(workplace).chmod(0o711)
        with server(workplace, SANDBOX_POOL_SIZE="0") as cold:
            found["tier"] = cold.tier
            say("cold sessions")
            found["cold"] = creates(cold, 100, 0)
        with server(workplace, SANDBOX_POOL_SIZE=str(POOL)) as warm:
            say("warm sessions")
            found["warm"] = creates(warm, 200, POOL)
            say("x += 1 over one connection and over 16")
            found["increment_1"], found["increment_16"] = trips(warm, 1, 5000), trips(warm, 16, 30000)
            say("the same with checkpoints off")
            found["checkpoints_1"], found["checkpoints_16"] = checkpoints(warm, 1, 20000), checkpoints(warm, 16, 60000)
            say("a million printed lines")
            found["stream"] = streaming(warm)
            say(f"{SESSIONS} idle sessions")
            found["idle"] = idle_memory(warm)
    say("python3 -c per request")
    found["python"] = python_per_request()
    say("ipykernel")
    found["ipykernel"] = ipykernel()
    return found


def cpu_name():
    return next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), platform.machine())


def us(value):
    return f"{value:,.1f} us" if value < 1000 else f"{value / 1000:,.2f} ms"


def table(found):
    fork, pipe = found["fork"]["p50_us"], found["pipe"]["p50_us"]
    kernel = found["ipykernel"]

    def row(name, figure, unit, beside=""):
        limit_name, value = ("fork", fork) if unit == "fork" else ("pipe", pipe)
        return name, us(figure["p50_us"]), us(figure["p99_us"]), f"{figure['p50_us'] / value:,.1f} x {limit_name}", beside

    rows = [
        ("what", "median", "p99", "ratio", "beside"),
        row("bare fork and wait", found["fork"], "fork"), row("bare pipe ping-pong", found["pipe"], "pipe"),
        row("new session to first output, warm", found["warm"]["first_output"], "fork", f"python3 -c {us(found['python']['p50_us'])}"),
        row("new session to first output, cold", found["cold"]["first_output"], "fork", f"ipykernel {us(kernel['create']['p50_us'])}"),
        row("x += 1, one connection", found["increment_1"], "pipe", f"ipykernel {us(kernel['increment']['p50_us'])}"),
        row("x += 1, 16 connections", found["increment_16"], "pipe", f"{found['increment_16']['per_second']:,.0f} a second"),
        row("request to first event", found["stream"]["first_event"], "pipe"),
        row("request to first output", found["stream"]["first_output"], "pipe", f"ipykernel {us(kernel['first_output']['p50_us'])}"),
    ]
    widths = [max(len(r[i]) for r in rows) for i in range(5)]
    lines = ["  ".join(cell.ljust(w) if i in (0, 4) else cell.rjust(w) for i, (cell, w) in enumerate(zip(r, widths))).rstrip() for r in rows]
    stream, idle = found["stream"], found["idle"]
    lines += [
        "", f"a million printed lines, streamed      {stream['lines_per_second'] / 1e6:.2f} M lines/s, {stream['bytes_per_second'] / 1e6:.0f} MB/s ({stream['lines']:,} lines)",
        f"memory per idle session, {idle['sessions']:,} alive    {idle['bytes_each'] / 2**20:.2f} MB      ipykernel {kernel['memory_bytes'] / 2**20:.0f} MB (without numpy)",
        f"x += 1 with checkpoints adaptive to off {found['checkpoints_1']['ratio']:.2f} of it on one connection, {found['checkpoints_16']['ratio']:.2f} on 16",
        f"sessions created one after the other   {idle['creates_per_second']:,.0f}/s, deleted {idle['deletes_per_second']:,.0f}/s",
        f"{found['machine']['cores']} cores, {found['machine']['cpu']}, Linux {found['machine']['kernel']}, isolation tier: {found['tier']}",
    ]
    return "\n".join(lines)


def main():
    found = measure()
    path = BUILD / "bench.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))
    print(f"\n{path}")


main()
