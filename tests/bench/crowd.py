"""How what a session costs grows with their number, each driven by a client in Python: the same code for this service and for the alternatives."""

import time

import cells
from measure import memory_bytes, summary, timed

STEPS = (1, 4, 16)  # an alternative's session takes half a second to make and 90 MB: more fit neither the run nor, by the thousand, the machine


def at_once(sessions, code, rounds):
    """Begins the cell in all of them, then waits for all, so often. Returns its figures."""
    start = time.perf_counter()
    for _ in range(rounds):
        for session in sessions:
            session.begin(code)
        for session in sessions:
            session.finish()
    return {"n": len(sessions) * rounds, "per_second": len(sessions) * rounds / (time.perf_counter() - start)}


def kept(make, steps, rounds):
    """make(): a session with begin(code), finish(), both in one as run(code), and close(). In each as many cells by turns, then all at once."""
    found, sessions, before = [], [], memory_bytes()
    try:
        for count in steps:
            while len(sessions) < count:
                sessions.append(make())
                sessions[-1].run(cells.KEPT_SETUP)
            size = (memory_bytes() - before) / count
            turns = [timed(sessions[n % count].run, cells.CODE[cells.INCREMENT])[0] for n in range(rounds)]
            together = at_once(sessions, cells.CODE[cells.INCREMENT], max(2, rounds // count))
            found.append({"sessions": count, "bytes_each": size, "by_turns": summary(turns), "at_once": together})
    finally:
        for session in sessions:
            session.close()
    return found
