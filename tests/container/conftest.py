"""The image of the Dockerfile, built once, and the containers that the documented lines start. `make container-test` runs this; it needs root.

However it ends, no container, mount or temporary file stays: a signal that ends a test run is an interruption here, after which pytest
tears down what it has set up, and what a run that was killed has left is removed by the next.
"""

import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import ROOT  # noqa: E402
from lines import LEVEL, LINES  # noqa: E402
from running import Container, run  # noqa: E402

NUMBER = itertools.count()
PLACE = Path(os.environ.get("PENNY_CONTAINER_PLACE", ROOT / "build/container"))
BUILD_SECONDS = 1800


def interrupt(*_):
    raise KeyboardInterrupt


def pytest_configure():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


def build():
    """In a session of its own, so that it is ended by one signal to all of it, once: its script cleans up then."""
    process = subprocess.Popen([str(Path(__file__).with_name("image.sh")), str(PLACE)], start_new_session=True)
    try:
        assert process.wait(BUILD_SECONDS) == 0, "the image was not built"
    except BaseException:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
        raise


class Image:
    def __init__(self):
        if "PENNY_CONTAINER_KEEP" not in os.environ:  # the image as it was made last
            build()
        self.description = json.loads((PLACE / "image.json").read_text())
        self.settings = self.description["Docker"]["config"]
        self.settings["Cmd"] = self.settings.get("Cmd") or []
        self.container = self._store("from", "--pull-never", "localhost/penny-sandbox:latest")
        self.root = Path(self._store("mount", self.container))

    def _store(self, *words):
        driver = (PLACE / "driver").read_text().strip()
        return run("buildah", "--root", PLACE / "storage", "--runroot", PLACE / "runroot", "--storage-driver", driver, *words).strip()

    def done(self):
        self._store("umount", self.container)
        self._store("rm", self.container)
        shutil.rmtree(PLACE / "runroot")


@pytest.fixture(scope="session")
def place():
    """One run at a time. Its mounts are its own, so those of a run that was killed are gone with it; its containers may live."""
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        directory = PLACE / "running"
        for left in directory.glob("*/run/*"):
            subprocess.run(["runc", "--root", str(left.parent), "delete", "--force", left.name])
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        yield directory
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def image(place):
    if os.geteuid() != 0 or not all(shutil.which(p) for p in ("buildah", "runc", "debootstrap")):
        pytest.skip("needs root, buildah, runc and debootstrap")
    image = Image()
    yield image
    image.done()


@pytest.fixture(scope="module", params=list(LINES))
def container(request, image, place):
    """A container for each documented line; .level is what it promises."""
    flags, arguments = LINES[request.param]
    with Container(image, place / str(list(LINES).index(request.param)), flags, arguments) as started:
        started.level = LEVEL[request.param]
        yield started


@pytest.fixture
def make_container(image, place):
    """A context manager of a test's own container: make_container(title, *more flags, arguments=())."""
    def make(title, *flags, arguments=()):
        return Container(image, place / f"own-{next(NUMBER)}", [*LINES[title][0], *flags], arguments)

    return make
