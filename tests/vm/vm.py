"""Runs tests inside virtual machines with Debian's kernels, where control groups are version 2 and nothing else, and Landlock is older or not there.

usage: vm.py [--place DIRECTORY] [KERNEL...]       KERNEL: bullseye bookworm bookworm-backports; without: all of them
Under KVM where that works, else by emulation, which is some ten times slower. Exit code 0 when every machine's tests passed.
"""

import argparse
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import qemu

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# What runs in each: the jail suite and what of the API is closest to it on the kernel that Debian 12 has; on the others what differs there.
JAIL = ["tests/vm/test_in_vm.py", "tests/jail"]
SMOKE = ["tests/api/test_isolation.py", "tests/api/test_run_limits.py", "tests/api/test_density.py"]
KERNELS = {"bullseye": ["tests/vm/test_in_vm.py", "tests/jail/test_layers.py", "tests/jail/test_files.py", "tests/jail/test_syscalls.py", "tests/api/test_density.py"],
           "bookworm-backports": ["tests/vm/test_in_vm.py", "tests/jail/test_layers.py", "tests/jail/test_syscalls.py"],
           "bookworm": JAIL + SMOKE}
# The emulation of cmpxchg16b in QEMU 7.2 spoils flags, and with them the lists of free memory of kernels from 6.5 on: those are told to do without.
EMULATED = {"bookworm-backports": "clearcpuid=cx16 "}
SECONDS = 2400  # of one machine; by emulation on two cores the longest takes seven minutes


def say(what, text):
    print(f"  {what:<8} {text}", flush=True)


def run(place, suite, tests):
    """One machine. Returns whether its tests passed."""
    kernel = place / f"kernel-{suite}"
    console, results = kernel / "console.log", kernel / "results.log"
    results.write_bytes(b"")
    archive = kernel / "initramfs.cpio"
    qemu.make_initramfs(kernel, place / "debian/bin/busybox", archive)
    words = f"quiet {'' if qemu.accelerated() else EMULATED.get(suite, '')}penny.run=" + ",".join(tests)
    arguments = qemu.command(kernel, archive, f"{place}/disk.img,snapshot=on", (console, results), words, "/penny/tests/vm/guest.sh")
    say("VM", f"{suite}: Linux {(kernel / 'version').read_text().strip()}, {'kvm' if qemu.accelerated() else 'emulated'}: {' '.join(tests)}")
    begin, shown = time.monotonic(), 0
    machine = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    try:
        while machine.poll() is None and time.monotonic() - begin < SECONDS:
            time.sleep(0.5)
            shown = show(results, shown)
    finally:
        if machine.poll() is None:
            machine.kill()
        machine.wait()
    show(results, shown)
    ended = re.search(rb"^vm: exit (\d+)\s*$", results.read_bytes(), re.M)
    took = time.monotonic() - begin
    if ended is None:
        say("VM", f"{suite}: no end after {took:.0f} s; the console's last lines:")
        print(console.read_text(errors="replace")[-3000:])
        return False
    say("VM", f"{suite}: exit {int(ended[1])} after {took:.0f} s")
    return int(ended[1]) == 0


def show(results, shown):
    data = results.read_bytes()
    sys.stdout.write(data[shown:].decode(errors="replace").replace("\r\n", "\n"))
    sys.stdout.flush()
    return len(data)


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):  # no machine goes on without us
        signal.signal(number, interrupt)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kernels", nargs="*", metavar="KERNEL")
    parser.add_argument("--place", type=Path, default=ROOT / "build/vm")
    parser.add_argument("--tests", help="these instead, with commas between")
    parser.add_argument("--keep-disk", action="store_true", help="the disk as it was made last")
    options = parser.parse_args()
    options.kernels = options.kernels or list(KERNELS)
    options.place.mkdir(parents=True, exist_ok=True)
    if not options.keep_disk or not (options.place / "disk.img").exists():
        subprocess.run([HERE / "disk.sh", options.place], check=True)
    for suite in options.kernels:
        subprocess.run([HERE / "kernel.sh", options.place, suite], check=True)
    passed = [run(options.place, suite, options.tests.split(",") if options.tests else KERNELS[suite]) for suite in options.kernels]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
