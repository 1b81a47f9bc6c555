"""The Python client, from its sources; its local mode uses the programs under test."""

import os
import sys

import pytest

from harness import BUILD, ROOT
from harness.server import RUNNING

CLIENT = ROOT / "clients" / "python"
sys.path[:0] = [str(CLIENT / "src"), str(ROOT / "tests" / "clients")]
os.environ["PENNY_SANDBOX"] = str(BUILD / "penny-sandbox")
for name in ("SANDBOX_URL", "SANDBOX_API_KEY", "SANDBOX_MODE", "SANDBOX_TIMEOUT"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session", autouse=True)
def private_service():
    """That of local mode ends with the tests; until then no other server's tear-down takes it for one left behind."""
    from sandbox_executor import local
    start, stop = local.LocalServer.__init__, local.LocalServer.stop

    def known_start(self, program):
        start(self, program)
        RUNNING[self._process.pid] = self

    def known_stop(self):
        stop(self)
        RUNNING.pop(self._process.pid, None)

    local.LocalServer.__init__, local.LocalServer.stop = known_start, known_stop
    yield
    local.stop_all()


@pytest.fixture(params=["remote", "local"])
def sandbox(request, server):
    """A SandboxClient of each mode, with no import policy."""
    from sandbox_executor import ExecutionMode, SandboxClient
    with SandboxClient(server.url if request.param == "remote" else None, mode=ExecutionMode.SIMPLE) as client:
        yield client


@pytest.fixture
def remote(server):
    from sandbox_executor import ExecutionMode, SandboxClient
    with SandboxClient(server.url, mode=ExecutionMode.SIMPLE) as client:
        yield client


@pytest.fixture
def live(remote):
    """A session."""
    with remote.create_session() as session:
        yield session
