"""A clean Debian: made by debootstrap, entered by chroot, or booted with its own systemd in namespaces."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import BUILD, processes, until

SUITE = "bookworm"
HERE = Path(__file__).resolve().parent
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
# Nothing of it outlives a loss of power, so no file has to be on the disk before the next is written.
APT = ["apt-get", "-q", "-y", "--no-install-recommends", *(f"-oDpkg::Options::=--{option}" for option in ("force-confdef", "force-confold", "force-unsafe-io"))]


def mirror():
    """Where this machine gets Debian from."""
    for path in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        found = re.search(r"(?m)^(?:URIs:|deb(?: \[[^]]*\])?)\s+(\S+/debian/?)(?:\s|$)", path.read_text()) if path.is_file() else None
        if found:
            return found.group(1)
    return "http://deb.debian.org/debian"


def base():
    """Made once; later runs use it again."""
    made = BUILD / "deb" / f"base-{SUITE}"
    if not made.exists():
        started = made.with_suffix(".part")
        shutil.rmtree(started, ignore_errors=True)
        subprocess.run(["debootstrap", "--variant=minbase", SUITE, started, mirror()], check=True, stdout=subprocess.DEVNULL, timeout=800)
        for path in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
            shutil.copy(path, started / "etc/apt/apt.conf.d")
        started.rename(made)
    return made


class Machine:
    def __init__(self, root):
        self.root, self.process = root, None
        subprocess.run(["cp", "-a", base(), root], check=True)

    def run(self, *command, check=True, timeout=300):
        """In the booted machine, or in its root while it is not booted."""
        enter = ["nsenter", "-t", str(self.init()), "-m", "-p", "-u", "-i", "-C"] if self.process else ["unshare", "-m", "--propagation", "private", str(HERE / "enter.sh"), str(self.root)]
        done = subprocess.run([*enter, *map(str, command)], capture_output=True, text=True, timeout=timeout, env=ENV, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    def apt(self, *arguments):
        return self.run(*APT, *arguments)

    def systemctl(self, *arguments, **options):
        return self.run("systemctl", "--no-pager", *arguments, **options)

    def property(self, unit, name):
        return self.systemctl("show", "--value", "-p", name, unit).stdout.strip()

    def init(self):
        child, = processes.children(self.process.pid)
        return child

    def boot(self):
        log = open(self.root.parent / "boot.log", "wb")
        self.process = subprocess.Popen([HERE / "boot.sh", self.root], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        until(lambda: processes.children(self.process.pid) and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
              "systemd has started", 120)

    def stop(self):
        if self.process is None:
            return
        group = f"penny-boot-{self.process.pid}"
        self.process.kill()
        self.process.wait()
        self.process = None
        for path in Path("/sys/fs/cgroup").glob(f"**/{group}"):
            until(lambda: self._remove(path), f"{path} is empty", 30)

    @staticmethod
    def _remove(group):
        subprocess.run(["find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], stderr=subprocess.DEVNULL)
        return not group.exists()

    def files(self):
        """What there is of ours."""
        found = subprocess.run(["find", self.root, "-xdev", "-path", f"{self.root}/*penny*", "-printf", "/%P\n"], capture_output=True, text=True, check=True).stdout.split("\n")
        return {name for name in found if name and not name.startswith(("/tmp/", "/var/log/apt", "/var/log/journal", "/var/cache/apt"))}


def repack(package, target, version, change):
    """The package with another version; change(directory) alters its files."""
    work = target.with_suffix(".tree")
    subprocess.run(["dpkg-deb", "-R", package, work], check=True)
    control = work / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
    change(work)
    subprocess.run(["dpkg-deb", "-Znone", "-b", work, target], check=True, stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
    shutil.rmtree(work)
