"""Policy directories for a test: the shipped files with some sections changed."""

import json
import shutil

from .server import ROOT

FILES = ("imports", "resources", "filesystem", "syscalls", "packages")


def write_policies(directory, **changes):
    """A copy of policies/ in directory; changes: imports={...}, resources={"cpu": {...}}, merged one level deep. Returns the path."""
    target = directory / "policies"
    shutil.copytree(ROOT / "policies", target)
    for name, change in changes.items():
        path = target / f"{name}.json"
        policy = json.loads(path.read_text())
        for key, value in change.items():
            policy[key] = {**policy.get(key, {}), **value} if isinstance(value, dict) else value
        path.write_text(json.dumps(policy, indent=2))
    return str(target)
