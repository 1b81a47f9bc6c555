"""penny-sandbox doctor, as a command, and held against what a service says of itself."""

import json
import re
import subprocess

from . import processes, tiers
from .server import BUILD, ROOT, free_port, readable_tree


def environment(tree=ROOT):
    env = {"PATH": "/usr/bin:/bin", "SANDBOX_PORT": str(free_port())}
    if BUILD != ROOT / "build":
        env.update({"SANDBOX_PYTHON": str(tree / "build/venv/bin/python"), "SANDBOX_POLICY_DIR": str(tree / "policies"), "SANDBOX_PYTHON_LIBRARY": str(tree / "runtime/python")})
    return env


def doctor(*args, prefix=(), program=None, for_others=False, **env):
    """For others: as of a Server."""
    tree, build = readable_tree("user") if for_others else (ROOT, BUILD)
    process = subprocess.Popen([*prefix, str(program or build / "penny-sandbox"), "doctor", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**environment(tree), **env}, cwd="/")
    group_name = processes.group_name(process.pid)
    out, err = process.communicate(timeout=60)
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    done.group_name = group_name
    return done


def compare_with_health(server):
    """Its report with /health of a server that was started alike (tests/jail has the other tiers)."""
    done = doctor("--json", prefix=tiers.prefix(server.tier), program=server.build / "penny-sandbox", **server._environment())
    report = json.loads(re.sub(r"/(tmp|run)/penny-sandbox-\w{6}", str(server.state), done.stdout))  # a service may be using that one
    health = server.client.health()
    assert report["isolation"] == health["isolation"], done
    assert report["version"] == health["version"]
    assert finding(report, "isolation")["found"] == health["isolation"]["level"]
    for name, layer in health["isolation"]["layers"].items():
        assert finding(report, name)["status"] == ("ok" if layer["active"] else "weak")
        assert layer["active"] == (finding(report, name)["advice"] is None)
    visits = health["isolation"]["visits"]
    assert finding(report, "visits")["found"] == visits["detail" if visits["active"] else "reason"]
    assert visits["active"] == (finding(report, "visits")["advice"] is None) == tiers.can_visit(health["isolation"])


def finding(report, name):
    found = [f for f in report["findings"] if f["name"] == name]
    assert len(found) == 1, (name, report["findings"])
    return found[0]
