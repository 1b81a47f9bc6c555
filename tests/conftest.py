"""Fixtures: real servers, each held to a clean end (exit code 0, nothing left behind)."""

import itertools
import os
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from harness import TIERS, Server, claims, processes, tier_reason
from harness.files import Files

UNTIL = float(os.environ.get("PENNY_TEST_UNTIL", 0))
_number = itertools.count(1)


def pytest_runtest_setup(item):
    if UNTIL and time.time() > UNTIL:
        item.session.shouldstop = "the time of this run is over"


def pytest_runtestloop(session):
    return claims.run(session) if claims.DIRECTORY else None


@pytest.fixture(scope="session", autouse=True)
def alone():
    """Whatever a server leaves behind is found, and nobody else's is taken for it."""
    processes.become_subreaper()
    processes.take_own_mounts()


@pytest.fixture(scope="session")
def workplace():
    """Not under pytest's own directory: a server of another user must be able to reach its place in it."""
    directory = Path(tempfile.mkdtemp(prefix="penny-test-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


def _server(workplace, **options):
    return Server(workplace / str(next(_number)), **options)


@pytest.fixture(scope="session")
def server(workplace):
    """The one that most tests share: as `make run` starts it, but with no Python-level import filter."""
    with _server(workplace, env={"SANDBOX_PROFILE": "open"}) as server:
        yield server


@pytest.fixture(scope="session")
def standard_server(workplace):
    """As `make run` starts it: the standard profile."""
    with _server(workplace) as server:
        yield server


@pytest.fixture(scope="session", params=TIERS)
def tier_server(request, workplace):
    """One server in each tier of isolation (open profile); .tier names it."""
    reason = tier_reason(request.param)
    if reason:
        pytest.skip(f"tier {request.param}: {reason}")
    with _server(workplace, tier=request.param, env={"SANDBOX_PROFILE": "open"}) as server:
        if server.client.health()["isolation"]["level"] == "none":
            pytest.skip(f"tier {request.param}: /health says that nothing holds here, and nothing is promised")
        yield server


@pytest.fixture
def make_server(workplace):
    """A factory of servers of a test's own: make_server(tier=, env=, args=) is one that is not started yet."""
    made = []

    def make(**options):
        options["env"] = {"SANDBOX_PROFILE": "open", **options.get("env", {})}
        made.append(_server(workplace, **options))
        return made[-1]

    yield make
    try:
        for server in made:
            server.stop()
    finally:
        for server in made:
            server.kill()


@pytest.fixture
def client(server):
    return server.client


@pytest.fixture
def session(client):
    """A session of the shared server, deleted afterwards."""
    id = client.session()
    yield id
    client.delete_session(id)


@pytest.fixture
def files(client, session):
    """Of that session."""
    return Files(client, session)


@pytest.fixture
def tier_files(tier_server):
    session = tier_server.client.session()
    yield Files(tier_server.client, session)
    tier_server.client.delete_session(session)
