"""The image of the Dockerfile, built once, and the containers that the documented lines start. `make container-test` runs this; it needs root."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import ROOT  # noqa: E402
from lines import LEVEL, LINES  # noqa: E402
from running import Container  # noqa: E402

NUMBER = itertools.count()
PLACE = Path(os.environ.get("PENNY_CONTAINER_PLACE", ROOT / "build/container"))


class Image:
    def __init__(self):
        if "PENNY_CONTAINER_KEEP" not in os.environ:  # the image as it was made last
            subprocess.run([str(Path(__file__).with_name("image.sh")), str(PLACE)], check=True, timeout=1800)
        self.description = json.loads((PLACE / "image.json").read_text())
        self.settings = self.description["Docker"]["config"]
        self.settings["Cmd"] = self.settings.get("Cmd") or []
        self.root = Path((PLACE / "root").read_text().strip())


@pytest.fixture(scope="session")
def image():
    if os.geteuid() != 0 or not all(shutil.which(p) for p in ("buildah", "runc", "debootstrap")):
        pytest.skip("needs root, buildah, runc and debootstrap")
    return Image()


@pytest.fixture(scope="session")
def place():
    directory = Path(tempfile.mkdtemp(prefix="penny-container-"))
    yield directory
    shutil.rmtree(directory)


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
