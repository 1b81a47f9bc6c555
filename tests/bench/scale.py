"""What a cell and a session cost as sessions and connections become more."""

from measure import Refused, load, memory_bytes, say, summary

from service import at_pool, at_rest, end, execute, increments, make, resident, server

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SAMPLE = 500


def concurrency(service, count):
    """`x += 1` on 1 to 256 connections, one session to each."""
    return [{"connections": n, **increments(service, n, count if n > 1 else count // 2)} for n in CONNECTIONS]


def _step(service, have, more, before):
    """Adds sessions. Returns (ids of all, figures)."""
    ids, times, seconds = make(service, more)
    at_pool(service)
    have = have + ids
    idle = memory_bytes() - before
    sample = have[:: max(1, len(have) // SAMPLE)][:SAMPLE]
    for _ in range(2):
        load(service.port, [execute("x = 0", s) for s in sample], len(sample), 1)
    one, _, _, refused = load(service.port, [execute("x += 1", s) for s in sample], max(2000, len(sample)), 1)
    if refused:
        raise Refused(refused)
    return have, {"sessions": len(have), "create": summary(times), "creates_per_second": more / seconds, "idle_bytes_each": idle / len(have),
                  "increment": summary(one), "resident_bytes": resident(service)}


def sessions(workplace, steps, clock, reserve):
    """Sessions alive at once, step by step, for as long as there is time; then all deleted. Returns (figures of each step, of the deletion, why it ended early or None)."""
    found, have, why = [], [], None
    with server(workplace, "many") as service:
        at_rest(service)
        before = memory_bytes()
        for n in steps:
            say(f"{n:,} sessions alive")
            try:
                have, figures = _step(service, have, n - len(have), before)
                found.append(figures)
            except Refused as refusal:
                why = f"{n:,} sessions: {refusal}"
                break
            if clock.left < reserve:
                why = "the run's time was out" if n != steps[-1] else None
                break
        have = [s for s in have]
        seconds = end(service, have)
        at_rest(service)
    return found, {"sessions": len(have), "seconds": seconds}, why
