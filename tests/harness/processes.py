"""What a server could leave behind: processes, mounts, control groups.

The test process is a child subreaper with mounts of its own. So whatever a server leaves behind becomes a child of ours or is among our
mounts and is found, and what others do on this machine in the same moment is not mistaken for it.
"""

import ctypes
import os
import re
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)
_has_own_mounts = False


def become_subreaper():
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def take_own_mounts():
    """Who is not permitted to has nothing to look for: what we start could not mount anything here either."""
    global _has_own_mounts
    _has_own_mounts = _libc.unshare(CLONE_NEWNS) == 0 and _libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0


def state(pid):
    """The state letter of a process, '' when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def name(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() or name(pid)
    except (FileNotFoundError, ProcessLookupError):
        return ""


def inner_pid(pid):
    """Its number in the innermost of its pid namespaces. Numbers of a session grow, those of the machine begin again."""
    try:
        return int(re.search(r"^NSpid:.*?(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found.append(child)
        found += descendants(child)
    return found


def newcomers(pid, before):
    """Descendants that were not among those of `before`. Never compare counts: who is there for a moment at the start counts in them for ever."""
    return set(descendants(pid)) - set(before)


def alive(pids):
    return [pid for pid in pids if state(pid) not in ("", "Z", "X")]


OF_SESSIONS = "penny-zygote", "penny-init", "penny-worker"


def _bury(known):
    """
    Of a server that was killed who was sent into a session to start its worker may come to us, dead: a process of that session's namespace, whose init
    can't end before somebody has waited for all of them. The service's first process does, and where that is killed, too, the machine's.
    """
    for pid in children(os.getpid()):
        if pid not in known and name(pid) in OF_SESSIONS and state(pid) == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def adopted(known):
    """Living children of ours that we did not start: what a server left behind."""
    _bury(known)
    return [pid for pid in alive(children(os.getpid())) if pid not in known]


def reap(known):
    """Takes the dead that were left to us off the process table."""
    for pid in children(os.getpid()):
        if pid not in known and state(pid) == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


def mounts():
    """Those of our own mount namespace, in which only what we start can mount anything."""
    return set(Path("/proc/self/mounts").read_text().splitlines()) if _has_own_mounts else set()


def group_name(pid):
    """What the control groups of the service are called whose supervisor this is: its pid, which others have had before it, and when it was started, in ticks."""
    start = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"penny-{pid}-{start}"


def cgroups_of(name):
    """What there is of the control groups of this name, and below them."""
    return {path for path, _, _ in os.walk("/sys/fs/cgroup") if name in path.split("/")}
