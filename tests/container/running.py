"""One container of the image, run by runc as `docker run` with these words would run it."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import Client, free_port, until

import oci


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, capture_output=True, **options).stdout


class Container:
    def __init__(self, image, directory, words, arguments=()):
        self.image, self.directory, self.name = image, Path(directory), f"penny-test-{os.getpid()}-{Path(directory).name}"
        self.port, self.line, self.arguments = free_port(), oci.Line(words), list(arguments)
        self.line.env.setdefault("SANDBOX_PORT", str(self.port))
        self.process = self.client = self.start_seconds = None

    def __enter__(self):
        bundle = self.directory / "bundle"
        for place in ("upper", "work", "root", "bundle", "run"):
            (self.directory / place).mkdir(parents=True)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={self.image.root},upperdir={self.directory}/upper,workdir={self.directory}/work",
            self.directory / "root")
        (bundle / "config.json").write_text(json.dumps(oci.config(self.line, self.image.settings, self.directory / "root", self.name, self.arguments)))
        begin = time.monotonic()
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(["runc", "--root", str(self.directory / "run"), "run", "--bundle", str(bundle), self.name],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            self.client = Client(self.port)
            until(self.answers, "the container answers", 60)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.start_seconds = time.monotonic() - begin
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the container ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.client.get("/ready").status == 200
        except OSError:
            return False

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def exec(self, *command):
        """As `docker exec`. Returns the finished process."""
        return subprocess.run(["runc", "--root", str(self.directory / "run"), "exec", self.name, *command], capture_output=True, text=True, timeout=60)

    def stop(self):
        """As `docker stop`: the stop signal to the first process. Returns the container's exit code."""
        run("runc", "--root", self.directory / "run", "kill", self.name, signal.Signals[self.image.settings["StopSignal"]].name[3:])
        return self.process.wait(40)

    def __exit__(self, *_):
        if self.process.poll() is None:
            subprocess.run(["runc", "--root", str(self.directory / "run"), "kill", self.name, "KILL"], capture_output=True)
            self.process.wait(30)
        subprocess.run(["runc", "--root", str(self.directory / "run"), "delete", "--force", self.name], capture_output=True)
        run("umount", self.directory / "root")
        shutil.rmtree(self.directory)
