"""What every virtual machine of the tests starts with: a kernel that kernel.sh has made, and a first file system that goes on to a program on the disk."""

import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
MEMORY_MB = 3072


def accelerated():
    """Whether the processor can do it and the device works."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    return re.search(r"^flags.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.M) is not None


def make_initramfs(kernel, busybox, archive):
    """The first file system: busybox, the modules that the disk needs, init.sh."""
    tree = archive.with_suffix(".tree")
    shutil.rmtree(tree, ignore_errors=True)
    for directory in ("bin", "dev", "proc", "disk"):
        (tree / directory).mkdir(parents=True)
    shutil.copytree(kernel / "modules", tree / "modules")
    shutil.copy(busybox, tree / "bin/busybox")
    shutil.copy(HERE / "init.sh", tree / "init")
    names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*"))).encode()
    with open(archive, "wb") as out:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], input=names, stdout=out, cwd=tree, check=True)


def command(kernel, initramfs, disk, serial, words, program):
    """Of a machine whose first program on the disk is `program`: `disk` with options of -drive, a file for each serial line, `words` for the kernel."""
    lines = [argument for path in serial for argument in ("-serial", f"file:{path}")]
    return ["qemu-system-x86_64", "-machine", "pc", "-accel", "kvm" if accelerated() else "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB),
            "-nodefaults", "-display", "none", "-no-reboot", "-kernel", str(kernel / "vmlinuz"), "-initrd", str(initramfs),
            "-append", f"console=ttyS0 panic=-1 cgroup_no_v1=all {words} -- {program}", "-drive", f"file={disk},if=virtio,format=raw", *lines]
