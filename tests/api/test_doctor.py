"""penny-sandbox doctor: what it says of the jail is what a service says of it; and its exit code, and that it leaves nothing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness import BUILD, free_port, processes, tiers, until, write_policies
from harness.doctor import compare_with_health, doctor, environment, finding
from harness.server import readable_tree

SMALL = Path(__file__).parents[1] / "harness/small_user_namespace.py"


def test_it_says_of_the_jail_what_the_service_says(server):
    compare_with_health(server)


def test_it_leaves_nothing_behind():
    mounts, own = processes.mounts(), open("/proc/self/cgroup").read()
    places = [set(os.listdir(d)) for d in ("/run", "/tmp")]
    done = doctor()
    assert done.returncode in (0, 1), done
    assert done.stderr == ""
    assert [m for m in processes.mounts() - mounts if "penny" in m] == []
    assert open("/proc/self/cgroup").read() == own
    assert processes.cgroups_of(done.group_name) == set()
    new = [os.path.join(d, name) for d, before in zip(("/run", "/tmp"), places) for name in set(os.listdir(d)) - before if name.startswith("penny-sandbox-")]
    until(lambda: not any(map(_is_idle, new)), f"none of {new} is left empty")  # other tests' servers and doctors make such directories, and use them or go


def _is_idle(path):
    try:
        return not os.listdir(path)
    except OSError:
        return False


def test_what_is_wrong_is_said_with_what_to_do(tmp_path):
    policies = write_policies(tmp_path, resources={"memory": {"maxMemoryPerSession": "much"}})
    done = doctor("--json", f"--policy-dir={policies}")
    report = json.loads(done.stdout)
    assert done.returncode == 2 and report["status"] == "failed"
    assert finding(report, "policies")["status"] == "failed" and "resources.json:" in finding(report, "policies")["found"]


def test_isolation_that_is_required_and_not_there():
    done = doctor("--json", "--require-isolation=full", "--user-namespaces=off", for_others=True)
    report = json.loads(done.stdout)
    assert done.returncode == 2
    assert finding(report, "isolation") | {"advice": None} == {"name": "isolation", "status": "failed", "found": "process; required is full", "advice": None}
    assert "turned off by configuration" in finding(report, "userNamespace")["found"] and finding(report, "userNamespace")["advice"] == "--user-namespaces=on"


def test_files_and_directories_that_a_service_would_not_start_with(tmp_path):
    """Each against what a service says that is started with it; and nothing is made by looking."""
    tmp_path.chmod(0o755)
    (tmp_path / "keys").write_text(f"alice:{'0' * 64}\n")
    (tmp_path / "wrong").write_text("no line of keys\n")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    before = sorted(tmp_path.iterdir())
    good = [f"--keys-file={tmp_path}/keys", f"--audit-log={tmp_path}/audit", f"--state-dir={tmp_path}/state/", f"--package-dir={tmp_path}/packages"]
    report = json.loads(doctor("--json", *good).stdout)
    names = ("keys", "auditLog", "stateDirectory", "packageDirectory")
    assert [finding(report, name)["status"] for name in names] == ["ok"] * 4, report["findings"]
    wrong = {"keys": ["--keys-file=/no/such/file", f"--keys-file={tmp_path}/wrong"], "certificate": [f"--tls-cert={tmp_path}/keys --tls-key={tmp_path}/keys"],
             "auditLog": ["--audit-log=/no/such/place"], "stateDirectory": [f"--state-dir={tmp_path}/open", "--state-dir=/no/such/place"],
             "packageDirectory": [f"--package-dir={tmp_path}/open"]}
    for name, options in wrong.items():
        for option in options:
            done = doctor("--json", *option.split())
            found = finding(json.loads(done.stdout), name)
            assert done.returncode == 2 and found["status"] == "failed" and found["advice"], done
            refused = subprocess.run([BUILD / "penny-sandbox", "--port=0", *option.split()], capture_output=True, text=True, timeout=60, cwd="/", env=environment())
            assert refused.returncode == 1 and found["found"].rpartition(": ")[2] in refused.stderr, (found, refused)
    assert sorted(tmp_path.iterdir()) == before


def of_others():
    """The program and its files where an ordinary user can read them."""
    tree, build = readable_tree("user")
    return {"program": build / "penny-sandbox", "SANDBOX_PYTHON": str(tree / "build/venv/bin/python"), "SANDBOX_POLICY_DIR": str(tree / "policies"),
            "SANDBOX_PYTHON_LIBRARY": str(tree / "runtime/python")}


def test_root_of_a_small_user_namespace_is_told_which_users_to_take(make_server):
    """As root of a container with 65,536 users has it."""
    if os.geteuid() != 0:
        pytest.skip("only root hands out users")
    place = make_server(tier="user").directory  # which others may read, too
    few = write_policies(place / "policies", resources={"process": {"uidBase": 10000, "uidCount": 50000}})
    inside = [sys.executable, str(SMALL)]
    options = of_others() | {"prefix": inside}
    if subprocess.run([*inside, "true"], capture_output=True).returncode != 0:
        pytest.skip("the kernel gives no user namespace here")
    usual = finding(json.loads(doctor("--json", **options).stdout), "hostUid")
    assert usual["status"] == "weak" and "can't become the users 1900000000 to" in usual["found"] and "uidBase" in usual["advice"], usual
    report = json.loads(doctor("--json", **(options | {"SANDBOX_POLICY_DIR": str(few)})).stdout)
    assert finding(report, "hostUid")["found"] == "one per session, 10000 to 59999", report["findings"]


def test_addresses():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        report = json.loads(doctor("--json", f"--listen=127.0.0.1:{taken.getsockname()[1]},0.0.0.0:{free_port()}").stdout)
    used, open_to_all = [f for f in report["findings"] if f["name"] == "address"]
    assert used["status"] == "weak" and "in use" in used["found"]
    assert open_to_all["status"] == "failed" and "no API keys" in open_to_all["found"]


def test_how_many_sessions_fit(tmp_path):
    policies = write_policies(tmp_path, filesystem={"quotas": {"perSession": {"maxTotalSize": 268435456, "maxFiles": 10000, "maxDirectories": 2000},
                                                               "global": {"maxConcurrentSessions": 3}}})
    report = json.loads(doctor("--json", f"--policy-dir={policies}").stdout)
    assert finding(report, "capacity")["status"] == "ok"
    capacity = report["capacity"]
    assert capacity["sessions"] == min(capacity["limits"].values()) == capacity["limits"][capacity["limitedBy"]] > 3
    few = json.loads(doctor("--json", prefix=["prlimit", "--nofile=1000:1000"]).stdout)
    assert few["capacity"] | {"limits": None, "atFullMemory": None} == {"sessions": 266, "limitedBy": "descriptors", "limits": None, "atFullMemory": None}
    assert finding(few, "capacity")["status"] == "weak" and "LimitNOFILE" in finding(few, "capacity")["advice"]


def test_without_user_namespaces_none_are_needed():
    """So a service starts there; those that the kernel gives out are not what runs out."""
    inside = [*tiers.prefix("user"), "unshare", "--user", "--map-root-user"]
    without = [*inside, "sh", "-c", 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"']
    if subprocess.run([*without, "true"], capture_output=True).returncode != 0:
        pytest.skip("the kernel gives no user namespace here")
    report = json.loads(doctor("--json", prefix=without, **of_others()).stdout)
    assert "max_user_namespaces" in finding(report, "userNamespace")["advice"], report["findings"]
    assert "userNamespaces" not in report["capacity"]["limits"] and report["capacity"]["sessions"] > 0 and report["status"] == "weak", report


def test_a_person_reads_lines():
    done = doctor("--user-namespaces=off", for_others=True)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert any(line.split()[:2] == ["ok", "kernel"] for line in lines)
    weak = next(i for i, line in enumerate(lines) if line.split()[:2] == ["weak", "userNamespace"])
    assert lines[weak + 1].strip().startswith("-> ")


def test_a_wrong_command_line():
    done = doctor("--no-such-option")
    assert done.returncode == 2 and "no-such-option" in done.stderr and done.stdout == ""
    assert doctor("--help").stdout.startswith("usage: penny-sandbox doctor")
