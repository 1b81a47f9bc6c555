"""The tables of a run, made of its JSON alone: as text for the terminal, as Markdown for README."""

from cells import DESCRIBE, INCREMENT, NAMES, PLOT, PRINT
from measure import SAMPLE

NONE = "-"


def duration(us):
    for limit, divisor, unit, digits in ((100, 1, "us", 1), (1000, 1, "us", 0), (10_000, 1e3, "ms", 2), (100_000, 1e3, "ms", 1), (1e6, 1e3, "ms", 0)):
        if us < limit:
            return f"{us / divisor:,.{digits}f} {unit}"
    return f"{us / 1e6:,.2f} s"


def times(figure):
    """Median and 99th percentile."""
    return f"{duration(figure['p50_us'])} / {duration(figure['p99_us'])}" if figure else NONE


def megabytes(count):
    return f"{count / 2**20:,.2f} MB" if count < 10 * 2**20 else f"{count / 2**20:,.0f} MB"


def gigabytes(count):
    return f"{count / 2**30:,.2f} GB"


def millions(count):
    return f"{count / 1e6:,.2f} M" if count >= 1e5 else f"{count:,.0f}"


def ratio(value, limit):
    return f"{value / limit:,.1f} x"


def get(found, *path):
    """found[a][b]..., None where one of them is missing."""
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


# ---- beside the alternatives ----

def contenders(found):
    """(heading, figures) of the service, of the service without sessions kept ready, and of each alternative that ran. Clients of the same kind for all."""
    mine = get(found, "service") or {}
    memory = get(mine, "memory") or {}
    return [("Penny Sandbox", {**mine, "kept": mine.get("kept_by_python"), "memory_bytes": memory.get("imported_bytes"), "lines_per_second": get(mine, "throughput", "lines_per_second_by_python")}),
            ("Penny Sandbox, no pool", {"fresh": mine.get("fresh_cold")})] + [(a["name"], a) for a in get(found, "alternatives").values() if "fresh" in a]


def _cells(found, kind, cell):
    return [times(get(figures, kind, cell)) for _, figures in contenders(found)]


def beside(found):
    """The same cells for all."""
    everyone = contenders(found)
    idle = [get(figures, "memory", "idle_bytes") or get(figures, "memory_bytes") for _, figures in everyone]
    return [["median / p99", *(name for name, _ in everyone)],
            *[[f"{kind} session, {NAMES[c]}", *_cells(found, key, c)] for kind, key in (("new", "fresh"), ("kept", "kept")) for c in (PRINT, INCREMENT, DESCRIBE, PLOT)],
            ["memory of an idle session, libraries there", *(megabytes(m) if m else NONE for m in idle)],
            ["the same after the cell that imports them", *(megabytes(m) if m else NONE for m in (get(figures, "memory_bytes") for _, figures in everyone))],
            ["printed lines a second", *(millions(n) if n else NONE for n in (get(figures, "lines_per_second") for _, figures in everyone))]]


def crowd(found):
    """As many as the alternatives get: memory, and how many cells a second when all run at once, each driven by a client in Python."""
    everyone = [(name, {c["sessions"]: c for c in figures["crowd"]}) for name, figures in contenders(found) if get(figures, "crowd")]
    counts = sorted({n for _, steps in everyone for n in steps})
    return [["", *(name for name, _ in everyone)],
            *[[f"{n} alive: memory of each", *(megabytes(c[n]["bytes_each"]) if n in c else NONE for _, c in everyone)] for n in counts],
            *[[f"{n} alive: x += 1 by turns", *(times(get(c.get(n), "by_turns")) for _, c in everyone)] for n in counts],
            *[[f"{n} at once: x += 1, where a session is kept, else print(1)", *(f"{c[n]['at_once']['per_second']:,.0f}/s" if n in c else NONE for _, c in everyone)]
              for n in counts]] if everyone else []


# ---- beside the limits ----

def _row(rows, name, figure, limit=None, limit_name="", rate=None):
    if figure:
        rows.append([name, times(figure), ratio(figure["p50_us"], limit) + f" {limit_name}" if limit else "", rate or ""])


def _rate(figure, unit="/s"):
    return f"{figure['per_second']:,.0f}{unit}" if figure else ""


def _limit_rows(rows, found):
    limits = get(found, "limits") or {}
    _row(rows, "bare fork and wait", get(limits, "fork"))
    _row(rows, "bare ping-pong over pipes", get(limits, "pipe"))
    for n in (1, 16):
        _row(rows, f"bare libevhtp, {n} connection{'s' if n > 1 else ''}", get(limits, f"ping_{n}"), rate=_rate(get(limits, f"ping_{n}")))


def _session_rows(rows, found):
    mine, fork, pipe = get(found, "service"), get(found, "limits", "fork", "p50_us"), get(found, "limits", "pipe", "p50_us")
    ping = get(found, "limits", "ping_1", "p50_us")
    _row(rows, "new session to first output, warm", get(mine, "warm"), fork, "a fork")
    _row(rows, "new session to first output, cold", get(mine, "cold"), fork, "a fork")
    _row(rows, "x += 1, one connection", get(mine, "kept", INCREMENT), ping, "bare libevhtp", _rate(get(mine, "kept", INCREMENT)))
    _row(rows, "x += 1, 16 connections", get(mine, "increment_16"), get(found, "limits", "ping_16", "p50_us"), "bare libevhtp", _rate(get(mine, "increment_16")))
    _row(rows, "request to first event of a stream", get(mine, "events", "first_event"), pipe, "a ping-pong")
    _row(rows, "request to first event of a stream, checkpoints off", get(mine, "events_uncopied", "first_event"), pipe, "a ping-pong")
    _row(rows, "request to first output of a stream", get(mine, "events", "first_output"), pipe, "a ping-pong")
    _row(rows, f"a burst of {get(mine, 'burst', 'sessions'):,} creates from a pool of as many" if get(mine, "burst") else "", get(mine, "burst"), fork, "a fork", _rate(get(mine, "burst")))


def _cycle_rows(rows, found):
    cycles = get(found, "service", "cycles")
    if cycles:
        each_us, fork = found["machine"]["cores"] * 1e6 / cycles["per_second"], get(found, "limits", "fork", "p50_us")  # all cores are busy meanwhile
        rows.append([f"create, print(1), delete: {cycles['cycles']:,} times over 16 connections", times(get(cycles, "whole")),
                     ratio(each_us, fork) + " a fork, in time of a core" if fork else "", _rate(cycles, " cycles/s")])


def _big_rows(rows, found):
    for name in ("checkpoint", "rollback", "fork"):
        empty, full = get(found, "service", "big", "empty", name), get(found, "service", "big", "gigabyte", name)
        _row(rows, f"{name} of a session that holds 1 GB", full, get(empty, "p50_us"), "one that holds nothing")


def ours(found):
    rows = [["", "median / p99", "beside the limit", "rate"]]
    for part in (_limit_rows, _session_rows, _cycle_rows, _big_rows):
        part(rows, found)
    return rows


def _throughput_facts(found):
    rate, limit = get(found, "service", "throughput"), get(found, "limits", "stream")
    if rate and limit:
        yield (f"streamed to one reader: {millions(rate['lines_per_second'])} short lines/s, {rate['lines_per_second'] / limit['lines_per_second']:.0%} of what a C program prints into a bare pipe "
               f"({millions(limit['lines_per_second'])}); {rate['text_bytes_per_second'] / 1e6:,.0f} MB/s of text in lines of 1 KB (the output limit raised to 1 GB)")
    seen = get(found, "service", "watchers")
    if seen:
        yield (f"{seen['watchers']:,} watchers of one execution: the last one has its first event {duration(seen['last_watcher_first_event_us'])} after the first one, "
               f"all have all of {seen['lines']:,} lines after {seen['seconds']:.2f} s ({seen['bytes_per_second'] / 1e6:,.0f} MB/s in all)")


def _flatness_facts(found):
    """How much of what a cell takes longer among many is the machine's."""
    steps, bare = get(found, "sessions") or [], {f["forks"]: f["increment"] for f in get(found, "forks") or []}
    both = [s for s in steps if s["sessions"] in bare]
    if len(both) > 1:
        first, last = both[0], both[-1]
        count = last["sessions"]
        yield (f"x += 1 by turns in {min(count, SAMPLE):,} of {count:,} sessions takes {ratio(last['increment']['p50_us'], first['increment']['p50_us'])} the median of one alone; in as many of {count:,} bare forks of an "
               f"interpreter over pipes, without server and jail, {ratio(bare[count]['p50_us'], bare[first['sessions']]['p50_us'])} ({duration(bare[first['sessions']]['p50_us'])} and "
               f"{duration(bare[count]['p50_us'])}): caches and page tables that were left cold")


def _history(memory):
    """What of it the machine's past costs: the kernel never gives back room for file systems that were mounted at once."""
    objects = memory.get("small_kilobytes", 0)
    if objects < 10:
        return ""
    return (f"; of it {megabytes(objects * 1024)} are the kernel's {objects:.0f} objects of 1 KB per session, one for every 64 of the file systems that were ever mounted at once "
            f"since this machine was started (runs with thousands of sessions were before)")


def _session_facts(found):
    memory = get(found, "service", "memory")
    if memory:
        imported = f", {megabytes(memory['imported_bytes'])} after the cell that imports the libraries" if "imported_bytes" in memory else ""
        yield (f"memory of a session: {megabytes(memory['idle_bytes'])} idle, {megabytes(memory['used_bytes'])} after a cell, with the copy of its state{imported} "
               f"({memory['sessions']:,} alive){_history(memory)}")
    huge = get(found, "service", "big", "gigabyte_huge_bytes")
    if huge is not None:
        yield f"of the session that holds 1 GB (the memory limit raised to 8) the kernel had {megabytes(huge)} in huge pages"
    steps = get(found, "sessions")
    if steps and "all_bytes" in steps[-1]:
        yield f"{steps[-1]['sessions']:,} sessions alive: {gigabytes(steps[-1]['all_bytes'])} in all, kernel and service included"
    each = get(found, "all_used")
    if each:
        yield (f"a cell by turns in each of {each['sessions']:,} sessions that all have run cells: {times(each['increment'])}; they take {gigabytes(each['all_bytes'])} in all, "
               f"kernel, copies of their states and service included; deleted in {each['deleted_seconds']:.2f} s, nothing left after {each['gone_seconds']:.2f} s")
        if "cpu_us" in each:
            yield f"such a cell and what follows it, a copy of the state for {each['copies']:.0%} of them, takes {duration(each['cpu_us'])} of processor time, the client's included"
    gone = get(found, "deleted")
    if gone and gone["sessions"]:
        wholly = f", neither a process nor a control group left after {gone['gone_seconds']:.2f} s" if "gone_seconds" in gone else ""
        yield f"{gone['sessions']:,} sessions deleted in {gone['seconds']:.2f} s, over 16 connections{wholly}"
    yield from _flatness_facts(found)
    cycles = get(found, "service", "cycles")
    if cycles:
        first, last = (sum(cycles["resident_bytes"][i].values()) for i in (1 if len(cycles["resident_bytes"]) > 1 else 0, -1))
        cut = "" if cycles["cycles"] >= cycles["wanted"] else f" (of {cycles['wanted']:,}: the run's time allows no more)"
        yield f"memory of the service's own processes: {megabytes(first)} after the first tenth of {cycles['cycles']:,} sessions made and deleted{cut}, {megabytes(last)} after the last"


def _alternative_facts(found):
    for name, figures in contenders(found):
        if waited := get(figures, "acknowledged"):
            yield (f"{name} sends several small messages for each cell, and TCP lets one wait until the client has acknowledged the last (Nagle's algorithm and delayed acknowledgement): "
                   f"x += 1 takes {duration(figures['kept'][INCREMENT]['p50_us'])} so; with a client that acknowledges each at once, as none does by itself, {times(waited)}")


def facts(found):
    """What is a sentence and not a row."""
    lines = [*_throughput_facts(found), *_session_facts(found), *_alternative_facts(found)]
    for n in (1, 16):
        if kept := get(found, "service", f"checkpoints_{n}"):
            lines.append(f"x += 1 with checkpoints adaptive, {n} connection{'s' if n > 1 else ''}: {kept['ratio']:.0%} of the rate without any")
    return lines


# ---- scale ----

def sessions(found):
    steps, bare = get(found, "sessions"), {f["forks"]: f for f in get(found, "forks") or []}
    return [["sessions alive", "create", "a cell in one that rested", "x += 1 by turns", "in as many bare forks", "memory each", "a bare fork's, after cells", "the service's own", "in all"],
            *[[f"{s['sessions']:,}", times(s["create"]), times(s.get("rested")), times(s["increment"]), times(get(bare.get(s["sessions"]), "increment")), megabytes(s["idle_bytes_each"]),
               megabytes(bare[s["sessions"]]["bytes_each"]) if get(bare.get(s["sessions"]), "bytes_each") else NONE,
               megabytes(sum(s["resident_bytes"].values())), gigabytes(s["all_bytes"]) if "all_bytes" in s else NONE] for s in steps]] if steps else []


def connections(found):
    steps = get(found, "concurrency")
    predicted, bare = ({p["connections"]: p for p in get(found, *path) or []} for path in (("model", "points"), ("limits", "ping")))

    def row(s):
        n, limit = s["connections"], bare.get(s["connections"])
        return [f"{n}", times(s), f"{s['per_second']:,.0f}/s", times(limit), *((f"{limit['per_second']:,.0f}/s", f"{s['per_second'] / limit['per_second']:.0%}") if limit else (NONE, NONE)),
                f"{predicted[n]['per_second']:,.0f}/s" if n in predicted else NONE]

    return [["connections", "x += 1", "rate", "bare libevhtp", "its rate", "ours of it", "the model says"], *map(row, steps)] if steps else []


def machine(found):
    m, layers = found["machine"], get(found, "service", "layers") or {}
    return (f"{m['cores']} cores of {m['cpu']}{' (virtual machine)' if m['virtual'] else ''}, {m['memory_bytes'] / 2**30:.0f} GB, {m['system']}, Linux {m['kernel']}; "
            f"isolation {layers.get('level', 'unknown')} ({len(layers.get('active', []))} layers{', without ' + ', '.join(layers['off']) if layers.get('off') else ''}); "
            f"Python {m['versions']['python']}, numpy {m['versions']['numpy']}, pandas {m['versions']['pandas']}; commit {m['versions']['commit']}; "
            f"load {m['load_before'][0]} before the run; {m['when'][:10]}")


def missing(found):
    return [f"not measured: {name}: {why}" for name, why in found["missing"].items()]


# ---- as text, as Markdown ----

def aligned(rows):
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows)


def markdown(rows):
    if not rows:
        return ""
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], ["---"] + ["---:"] * (len(rows[0]) - 1), *rows[1:]])


def text(found):
    parts = [machine(found), aligned(beside(found)), aligned(crowd(found)), aligned(ours(found)), "\n".join(facts(found)), aligned(sessions(found)), aligned(connections(found)),
             "\n".join(missing(found)), f"variant {found['variant']}, {found['seconds']:.0f} s"]
    return "\n\n".join(part for part in parts if part)
