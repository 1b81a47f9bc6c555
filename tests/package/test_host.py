"""The package on a whole Debian 12 of its own, as an operator's machine is: Debian's kernel, systemd as the first process, control groups of
version 2 alone. Emulated, where there is no KVM: minutes.

host/look.sh looks inside, once, from the service's start to its stop; the tests judge what it has found.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, ROOT

from package.machine import Machine
from vm import qemu

HERE = Path(__file__).resolve().parent / "host"
SECONDS = 900
UNIT = """[Unit]
After=multi-user.target penny-sandbox.service
[Service]
Type=simple
ExecStart=/usr/local/sbin/look
[Install]
WantedBy=default.target
"""
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a clean root is made by root")


def make_root(root, package):
    """Everything is installed from outside; nothing has been started when the machine is."""
    machine = Machine(root)
    shutil.copy(package, root / "root/package.deb")
    machine.run("apt-get", "-q", "update")
    machine.apt("install", "systemd", "systemd-sysv", "dbus", "procps", "curl", "busybox-static", "/root/package.deb")
    (root / "root/package.deb").unlink()
    shutil.copy(HERE / "look.sh", root / "usr/local/sbin/look")
    (root / "etc/systemd/system/look.service").write_text(UNIT)
    machine.run("systemctl", "enable", "look.service")
    patience = root / "etc/systemd/system/penny-sandbox.service.d/emulated.conf"
    patience.parent.mkdir()
    patience.write_text("" if qemu.accelerated() else "[Service]\nTimeoutStartSec=600\nTimeoutStopSec=300\nWatchdogSec=300\n")
    shutil.rmtree(root / "var/cache/apt")


def make_disk(root, disk):
    size = int(subprocess.run(["du", "-sm", root], capture_output=True, text=True, check=True).stdout.split()[0])
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-d", root, disk, f"{size * 12 // 10 + 512}M"], check=True)


@pytest.fixture(scope="module")
def found(workplace):
    package, = (BUILD / "deb").glob("*.deb")
    kernel, root, disk, archive = BUILD / "vm/kernel-bookworm", workplace / "host", workplace / "host.img", workplace / "host.cpio"
    kernel.parent.mkdir(exist_ok=True)
    subprocess.run([ROOT / "tests/vm/kernel.sh", kernel.parent, "bookworm"], check=True, timeout=300)
    make_root(root, package)
    make_disk(root, disk)
    qemu.make_initramfs(kernel, root / "bin/busybox", archive)
    shutil.rmtree(root)
    console, said = BUILD / "deb/host-console.log", BUILD / "deb/host-found.log"
    try:
        subprocess.run(qemu.command(kernel, archive, f"{disk},cache=unsafe", (console, said), "systemd.log_target=console", "/lib/systemd/systemd"),
                       stdin=subprocess.DEVNULL, timeout=SECONDS, check=True)
    finally:
        disk.unlink()
    found = dict(line.split(" ", 1) for line in said.read_text().splitlines() if " " in line)
    assert "done" in found, (found, console.read_text(errors="replace")[-3000:])
    return found


def test_the_machine_is_like_an_operators(found):
    assert found["controlGroups"].strip() == "cgroup2fs" and found["failed"].strip() == "" and found["system"].strip() in ("running", "starting"), found


def test_the_service_has_full_isolation(found):
    unit = dict(one.split("=", 1) for one in found["unit"].split(";") if "=" in one)
    assert unit["ActiveState"] == "active" and unit["NRestarts"] == "0" and unit["StatusText"] == "Serving at http://127.0.0.1:3003", unit
    isolation = json.loads(found["health"])["isolation"]
    assert isolation["level"] == "full" and all(layer["active"] for layer in isolation["layers"].values()), isolation
    assert all("version 2" in isolation["layers"][name]["detail"] for name in ("cgroupMemory", "cgroupPids", "cgroupCpu")), isolation
    assert "penny-sandbox penny-server" in found["processes"].replace("penny-s+", "penny-sandbox") and "root penny-zygote" in found["processes"], found["processes"]


def test_the_kernel_holds_each_sessions_limits(found):
    run, memory, processes = (json.loads(found[name]) for name in ("run", "tooMuch", "tooMany"))
    assert run["status"] == "ok" and run["output"]["stdout"].endswith(" 1000\n"), run
    assert memory["status"] == "memory" or "9" in memory["output"]["stdout"], memory
    assert processes["status"] == "ok" and processes["output"]["stdout"] == "11 True\n", processes
    assert re.search(r"\b[1-9]\d* 536870912;", found["limits"]), found["limits"]


def test_sessions_live_through_a_reload_and_new_programs(found):
    assert [json.loads(found[name])["output"]["stdout"] for name in ("afterReload", "afterRenewal")] == ["42\n", "43\n"], found


def test_a_stop_leaves_nothing(found):
    assert found["stopped"].strip() == "success" and found["left"].strip() == "0" and found.get("groupLeft", "").strip() == "", found
