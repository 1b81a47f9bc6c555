"""The tiers of isolation a server can find itself in, each as the command prefix that really puts it there.

root      as root, when the tests run as root
user      an ordinary user who may make user namespaces
process   an ordinary user where the kernel refuses user namespaces
"""

import os
import shutil
import subprocess
import sys
from functools import lru_cache

from . import lane
from pathlib import Path

TIERS = ("root", "user", "process")

_WITHOUT = Path(__file__).with_name("without_user_namespaces.py")


def _as_user():
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={lane.user()}", f"--regid={lane.user()}", "--clear-groups"]


def prefix(tier):
    if tier == "root":
        return []
    if tier == "user":
        return _as_user()
    return [sys.executable, str(_WITHOUT), str(lane.user() if os.geteuid() == 0 else os.geteuid())]


def uid(tier):
    return lane.user() if os.geteuid() == 0 and tier != "root" else os.geteuid()


def natural():
    """The tier of a server that is simply started."""
    if os.geteuid() == 0:
        return "root"
    return "user" if tier_reason("user") is None else "process"


def can_visit(isolation):
    """Of /health: whether a worker can be sent into a session. Where all are one user, only if Landlock keeps a session's signals from whom that takes there."""
    layers = isolation["layers"]
    return layers["pidNamespace"]["active"] and (layers["hostUid"]["active"] or "signals" in layers["landlock"].get("detail", ""))


@lru_cache(maxsize=None)
def tier_reason(tier):
    """None when a server can be started in this tier here; else why not."""
    if tier == "root":
        return None if os.geteuid() == 0 else "the tests do not run as root"
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        return "setpriv is not installed"
    probe = {"user": ["unshare", "--user", "true"], "process": ["sh", "-c", "! unshare --user true"]}[tier]
    done = subprocess.run([*prefix(tier), *probe], capture_output=True, text=True)
    return None if done.returncode == 0 else f"cannot be entered here: {done.stderr.strip()[-200:]}"
