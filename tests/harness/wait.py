"""Waiting for a condition; never for an amount of time."""

import os
import time

# On a machine that is slower by its nature (emulated, under make vm-test) every wait may take longer by this.
PATIENCE = float(os.environ.get("PENNY_PATIENCE", "1"))


def until(condition, what, seconds=40.0):
    """Polls until condition() is true and returns its value; fails with `what` after a time that only a fault can take."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
