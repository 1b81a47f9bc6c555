"""What a cell and a session cost as sessions and connections become more."""

import json
import sys
import time
from pathlib import Path

from measure import CONNECTIONS, SAMPLE, Refused, Spent, load, memory_bytes, run, say, summary

from service import at_limit, at_pool, at_rest, at_rest_of_copies, at_shed, copies, end_wholly, execute, increments, resident, server, wait_for_copies

CHUNK = 500
ALMOST_ALL = 0.98  # of the copies that are awaited: one that is refused is not awaited for ever
COPIES_SECONDS = 60
FORKS = Path(__file__).resolve().parent / "forks.py"


def concurrency(service, count):
    """`x += 1` on 1 to 256 connections, one session to each."""
    return [{"connections": n, **increments(service, n, count if n > 1 else count // 2)} for n in CONNECTIONS]


def _add(service, have, wanted, in_time):
    """Makes sessions until there are as many as wanted. Returns (microseconds of each, seconds, why there are fewer or None)."""
    times, seconds = [], 0.0
    while len(have) < wanted:
        if not in_time():
            return times, seconds, "the run's time was out"
        took, ids, part, refused = load(service.port, ["POST /api/v1/sessions {}"], min(CHUNK, wanted - len(have)), 4)
        have += ids
        times += took
        seconds += part
        if refused:
            return times, seconds, refused
    return times, seconds, None


def _figures(service, have, times, seconds, nothing, before, is_limit):
    """What a session costs and how fast it answers with so many of them alive."""
    (at_limit if is_limit else at_pool)(service)
    at_shed()
    idle, whole = memory_bytes() - before, memory_bytes() - nothing
    sample = have[:: max(1, len(have) // SAMPLE)][:SAMPLE]
    rested, _ = (load(service.port, [execute("x = 0", s) for s in sample], len(sample), 1)[0] for _ in range(2))
    one, _, _, refused = load(service.port, [execute("x += 1", s) for s in sample], max(2000, len(sample)), 1)
    if refused:
        raise Refused(refused)
    return {"sessions": len(have), "create": summary(times), "creates_per_second": len(times) / seconds, "idle_bytes_each": idle / len(have), "all_bytes": whole,
            "rested": summary(rested), "increment": summary(one), "resident_bytes": resident(service)}


def _at_rest(service, spent):
    """Processor time that is spent in a second when nothing is wanted, this program's looking on included."""
    before, start = spent.us(), time.monotonic()
    at_rest_of_copies(service)
    return (spent.us() - before) / (time.monotonic() - start)


def _all_of_them(service, count, nothing, spent):
    """Not a sample: as many once more, and a few cells in each. What a cell takes by turns in all of them, also of processor time with the copy that follows
    (the client's is in it, what is spent at rest is not), what they take in all, how long their end takes."""
    have, copied = [], copies(service)
    _add(service, have, count, lambda: True)
    for cell in ("x = 0", "x += 1"):
        load(service.port, [execute(cell, s) for s in have], len(have), 4)
    wait_for_copies(service, copied + len(have), COPIES_SECONDS)
    at_rest_of_copies(service)
    whole, copied, rest = memory_bytes() - nothing, copies(service), _at_rest(service, spent)
    took, start = spent.us(), time.monotonic()
    times, _, _, refused = load(service.port, [execute("x += 1", s) for s in have], len(have), 1)
    if refused:
        raise Refused(refused)
    wait_for_copies(service, copied + ALMOST_ALL * len(have), COPIES_SECONDS)
    took, copied = (spent.us() - took - rest * (time.monotonic() - start)) / len(have), (copies(service) - copied) / len(have)
    seconds, gone = end_wholly(service, have)
    return {"sessions": len(have), "increment": summary(times), "all_bytes": whole, "cpu_us": took, "copies": copied, "deleted_seconds": seconds, "gone_seconds": gone}


def sessions(found, workplace, steps, clock, reserve):
    """Sessions alive at once, step by step, for as long as there is time and place; then all deleted. Fills found["sessions"] and found["deleted"]."""
    have, why, nothing = [], None, memory_bytes()
    with Spent() as spent, server(workplace, "many") as service:
        at_rest(service)
        before = memory_bytes()
        for n in steps:
            say(f"{n:,} sessions alive")
            times, seconds, why = _add(service, have, n, lambda: clock.left > reserve)
            if times:
                found["sessions"].append(_figures(service, have, times, seconds, nothing, before, why is not None))
            if why:
                found["missing"][f"{n:,} sessions"] = f"after {len(have):,}: {why}"
                break
        seconds, gone = end_wholly(service, have)
        found["deleted"] = {"sessions": len(have), "seconds": seconds, "gone_seconds": gone}
        at_rest(service)
        if len(have) > SAMPLE:
            say(f"cells in each of {len(have):,}")
            found["all_used"] = _all_of_them(service, len(have), nothing, spent)
            at_rest(service)


def forks(steps, seconds):
    """The same cell in as many bare forks of an interpreter, for as many of the steps as there is memory and time."""
    return [json.loads(line) for line in run(sys.executable, FORKS, ",".join(map(str, steps)), str(seconds), seconds=seconds + 60).splitlines()]
