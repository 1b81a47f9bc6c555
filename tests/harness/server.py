"""The real server as a child process: started in a tier, watched, stopped, and searched for what it left behind."""

import atexit
import fcntl
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import lru_cache
from pathlib import Path

from . import lane, processes, tiers
from .client import Client
from .wait import PATIENCE, until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PENNY_BUILD", ROOT / "build"))
SANITIZER = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "LeakSanitizer has encountered", "runtime error:")
RUNNING = {}  # pid -> Server: every server that is alive


class ServerFailed(Exception):
    """The server ended before it answered; .log says why, .code is its exit code."""

    def __init__(self, code, log):
        super().__init__(f"the server ended with {code}:\n{log}")
        self.code, self.log = code, log


@lru_cache(maxsize=None)
def _ports():
    """Those of our lane, in one order, round and round."""
    ports = list(lane.ports())
    random.SystemRandom().shuffle(ports)
    return itertools.cycle(ports)


def free_port():
    """A port of our lane that nobody listens on, and that has not been given for as long as there are others: who got it may not listen yet."""
    for port in itertools.islice(_ports(), lane.PORTS):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError(f"none of our {lane.PORTS} ports is free")


def _copy_tree(copy):
    """By cp: tens of thousands of files, while a test's time runs."""
    build = copy / BUILD.relative_to(ROOT)
    build.mkdir(parents=True, exist_ok=True)
    for part in ("server", "runtime", "policies", "build/venv"):
        (copy / part).parent.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", "-T", str((ROOT / part).resolve()), str(copy / part)], check=True)
    for program in BUILD.glob("penny-*"):
        if re.fullmatch(r"penny-[a-z]+", program.name):  # not what another test has put beside them for a moment
            shutil.copy(program, build)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)


@lru_cache(maxsize=None)
def _shared_copy():
    """One copy for all processes of a run (run.py names and removes it); the first that needs it makes it. Alone, one of our own."""
    named = os.environ.get("PENNY_TEST_TREE")
    copy = Path(named or tempfile.mkdtemp(prefix="penny-test-tree-"))
    copy.mkdir(mode=0o755, exist_ok=True)
    with open(copy / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (copy / "whole").exists():
            _copy_tree(copy)
            (copy / "whole").touch()
            if not named:
                atexit.register(shutil.rmtree, copy, True)
    return copy


def readable_tree(tier):
    """The checkout, or a copy of it where this tier's user can't read that; and the build directory in it."""
    can = subprocess.run([*tiers.prefix(tier), "test", "-r", str(BUILD / "penny-zygote"), "-a", "-r", str(ROOT / "policies")])
    if can.returncode == 0:
        return ROOT, BUILD
    copy = _shared_copy()
    return copy, copy / BUILD.relative_to(ROOT)


class Server:
    def __init__(self, directory, tier=None, env=None, args=(), executable=None, pass_fds=(), for_others=False):
        """For others: sessions are users of their own without a root of their own, so that they must be able to read the checkout."""
        self.tier = tier or tiers.natural()
        self.env, self.args, self.pass_fds = dict(env or {}), list(args), pass_fds
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.state, self.cwd = self.directory / "state", "/"
        self.log_path = self.directory / "server.log"
        self.tree, self.build = readable_tree("user" if for_others else self.tier)
        self.executable = executable or self.build / "penny-sandbox"
        self.process = self.client = self.port = None

    def _environment(self):
        env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/", "SANDBOX_HOST": "127.0.0.1", "SANDBOX_PORT": str(self.port),
               "SANDBOX_STATE_DIR": str(self.state), "ASAN_OPTIONS": "abort_on_error=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
        if BUILD != ROOT / "build":
            env["SANDBOX_PYTHON"] = str(self.tree / "build/venv/bin/python")
            env["SANDBOX_POLICY_DIR"] = str(self.tree / "policies")
            env["SANDBOX_PYTHON_LIBRARY"] = str(self.tree / "runtime/python")
        env.update(self.env)
        return {k: v for k, v in env.items() if v is not None}

    def launch(self, port=None):
        """Starts the process and does not wait for it to serve."""
        self.port = port or free_port()
        self.client = Client(self.port)
        self.state.mkdir(mode=0o700, exist_ok=True)
        os.chown(self.state, tiers.uid(self.tier), -1)
        self.mounts_before = processes.mounts()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([*tiers.prefix(self.tier), str(self.executable), *self.args], env=self._environment(),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.cwd, start_new_session=True,
                                            pass_fds=self.pass_fds)
        RUNNING[self.process.pid] = self
        self.group_name = processes.group_name(self.process.pid)
        return self

    def start(self):
        """Starts the server and returns once it says that it is ready and answers; ServerFailed when it ends instead."""
        self.launch()
        until(self.answers, "the server is ready", 60)
        return self

    def answers(self):
        if self.process.poll() is not None:
            RUNNING.pop(self.process.pid, None)
            raise ServerFailed(self.process.returncode, self.log())
        try:
            return "is ready at" in self.log() and self.client.get("/ready").status == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    def process_named(self, part):
        """The pid of our descendant whose command line contains this; None when there is none."""
        for pid in processes.descendants(self.pid):
            if part in processes.command(pid):
                return pid
        return None

    def cgroups(self):
        return processes.cgroups_of(self.group_name)

    def zygote_pid(self):
        return self._child("penny-zygote")

    def server_pid(self):
        return self._child("penny-server")

    def _child(self, name):
        """By the name that it gives itself; None unless there is one. The supervisor has other children for a moment: what a session left behind."""
        for pause in (0.001, 0.01, 0.1, 0):  # the kernel's list of children may miss one while others end
            found = [p for p in processes.children(self.pid) if processes.name(p) == name]
            if len(found) == 1:
                return found[0]
            time.sleep(pause)
        return None

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=60):
        """Waits for the end. Returns the exit code."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            tree = [(p, processes.command(p)) for p in [self.pid, *processes.descendants(self.pid)]]
            raise AssertionError(f"the server does not end: {tree}\n{self.log()[-3000:]}") from None
        finally:
            RUNNING.pop(self.pid, None)

    def stop(self):
        """Stops it as an operator would, and holds it to a clean end."""
        if self.process is None or self.pid not in RUNNING:
            return
        self.signal(signal.SIGTERM)
        code = self.wait()
        assert code == 0, f"exit code {code} after SIGTERM:\n{self.log()[-3000:]}"
        self.assert_nothing_left()

    def assert_nothing_left(self, seconds=0.0):
        """Seconds: how long the kernel may take to bury what nobody was there to wait for (after a SIGKILL)."""
        def left():
            return processes.adopted(RUNNING)

        if seconds:
            until(lambda: not left(), "every process of the server ends", seconds)
        assert not left(), f"processes left behind: {[(p, processes.command(p)) for p in left()]}"
        processes.reap(RUNNING)
        mounts = processes.mounts() - self.mounts_before
        assert not mounts, f"mounts left behind: {mounts}"
        groups = self.cgroups()
        assert not groups, f"control groups left behind: {groups}\n{self.log()[-2000:]}"
        log = self.log()
        assert not any(mark in log for mark in SANITIZER), log[-6000:]

    def assert_no_files_left(self):
        files = list(self.state.rglob("*")) if self.state.exists() else []
        assert not files, f"files left behind: {files}"

    def kill(self):
        """Ends it whatever its state is; for tear-down after a failure."""
        if self.process is not None and self.process.poll() is None:
            tree = processes.descendants(self.pid)
            for pid in [self.pid, *tree]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            RUNNING.pop(self.pid, None)
            until(lambda: not [p for p in processes.adopted(RUNNING) if processes.name(p) in processes.OF_SESSIONS], "what it has started ends with it", 30)
        if self.process is not None:
            RUNNING.pop(self.pid, None)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.stop()
                self.assert_no_files_left()
        finally:
            self.kill()
