"""E2B's SDK for Python as the package index has it, and a sandbox of a service that it is led to by its environment alone."""

import pytest

from harness import Server

interpreter = pytest.importorskip("e2b_code_interpreter", reason="E2B's SDK is not installed (tests/requirements.txt)")
e2b = pytest.importorskip("e2b")

KEY = "e2b_" + "0123456789" * 4


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def service(request, server, workplace):
    if request.param == "without keys":
        yield server
        return
    with Server(workplace / "e2b", env={"SANDBOX_API_KEYS": f"one:{KEY}"}) as own:
        yield own


@pytest.fixture
def settings(service, monkeypatch):
    for name, value in {"E2B_API_URL": f"{service.url}/e2b", "E2B_SANDBOX_URL": f"{service.url}/e2b", "E2B_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def sandbox(settings):
    sandbox = interpreter.Sandbox.create(timeout=120, metadata={"user": "a b&c=d"}, envs={"COLOUR": "blue"})
    yield sandbox
    sandbox.kill()
