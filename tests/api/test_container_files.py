"""What ships for containers, as far as it can be held without making one (make container-test does that)."""

import re
import subprocess
import sys

import yaml

from harness import ROOT

sys.path.insert(0, str(ROOT / "tests/container"))
import lines  # noqa: E402
import oci  # noqa: E402

COMPOSE = ROOT / "deploy/compose.yaml"


def test_the_profile_that_ships_is_the_one_its_program_writes():
    """So it knows of each system call that policies/syscalls.json allows: deploy/container/seccomp.py > deploy/container/seccomp.json"""
    written = subprocess.run([sys.executable, str(ROOT / "deploy/container/seccomp.py")], capture_output=True, text=True, check=True).stdout
    assert written == (ROOT / "deploy/container/seccomp.json").read_text()


def test_pennys_line_is_the_one_of_its_document():
    flags, arguments = lines.LINES["PENNY's own line"]
    assert flags == ["-d", "--name", "penny-sandbox", "--memory=1g", "--cpus=1", "--security-opt", "no-new-privileges:true", "--cap-drop", "ALL", "-p", "3003:3003"]
    assert arguments == []


def test_compose_with_keys_is_what_is_left_when_the_signs_are_taken_away():
    composed = yaml.safe_load(re.sub(r"(?m)^( *)# ( *(?:SANDBOX_\w+: |secrets:|keys:|file: ).*)$", r"\1\2", COMPOSE.read_text()))
    service = composed["services"]["penny-sandbox"]
    assert set(service["secrets"]) == set(composed["secrets"]) == {service["environment"]["SANDBOX_KEYS_FILE"].removeprefix("/run/secrets/")}
    assert composed["secrets"]["keys"] == {"file": "./keys"} and service["environment"]["SANDBOX_ALLOWED_HOSTS"] and service["environment"]["SANDBOX_DRAIN"] == "20s"


def test_compose_has_the_flags_of_the_line_without_privilege():
    composed, shown = oci.Line(lines.LINES["compose"][0]), oci.Line(lines.LINES["Without any privilege"][0])
    for field in ("dropped", "added", "options", "tmpfs", "read_only", "memory", "cpus", "pids", "user"):
        assert getattr(composed, field) == getattr(shown, field), field
    service = yaml.safe_load(COMPOSE.read_text())["services"]["penny-sandbox"]
    assert service["ports"] == ["127.0.0.1:3003:3003"], "nobody else may come in until there are keys"
