"""Programs for Node in a place with packages of npm's."""

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest


@lru_cache(maxsize=None)
def version():
    """() without Node."""
    if not shutil.which("node"):
        return ()
    said = subprocess.run(["node", "-p", "process.versions.node"], capture_output=True, text=True, check=True).stdout
    return tuple(map(int, said.split(".")))


def run(program, *arguments, least=(18,), env=()):
    """Runs it, and holds it to its last word. Skips, with the reason, where Node, its packages or what they need of Node is not there."""
    place = Path(program).parent
    if not version() or not (place / "node_modules").exists():
        pytest.skip(f"node, or the packages of {place.name}, are not installed (deploy/setup.sh modules tests/clients/{place.name})")
    if version() < least:
        pytest.skip(f"the packages of {place.name} need node {'.'.join(map(str, least))}; here is {'.'.join(map(str, version()))}")
    ran = subprocess.run(["node", program, *arguments], capture_output=True, text=True, timeout=120, env={**os.environ, **dict(env)})
    assert (ran.returncode, ran.stdout) == (0, "all\n"), ran.stderr
