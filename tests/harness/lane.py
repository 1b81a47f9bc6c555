"""What one test process has for itself among all that test on this machine in the same moment: ports, and an ordinary user.

Limits per user count all processes of that user, and a port can be had once; so no two test processes may share either.
"""

import socket
from functools import lru_cache

LANES = 30
FIRST_PORT, PORTS = 23500, 300  # below those the kernel hands to clients
FIRST_USER = 64400  # ordinary users: no name, no home, no group
_held = []


@lru_cache(maxsize=None)
def number():
    """Ours until this process ends: nobody else can bind this name while we hold it."""
    for lane in range(LANES):
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0penny-test-lane-{lane}")
        except OSError:
            name.close()
            continue
        _held.append(name)
        return lane
    raise RuntimeError(f"{LANES} test processes run already")


def ports():
    first = FIRST_PORT + PORTS * number()
    return range(first, first + PORTS)


def user():
    return FIRST_USER + number()
