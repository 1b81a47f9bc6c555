"""Hostile programs, each run in every tier of isolation that this machine can be put into."""

import pytest


@pytest.fixture
def inside(tier_server):
    """Runs code in a session of its own. Returns what it printed; the program must not fail."""
    client = tier_server.client
    session = client.session()
    yield lambda code, **fields: client.stdout(code, session, **fields)
    client.delete_session(session)


@pytest.fixture
def layers(tier_server):
    """What /health says of this tier: {layer: active}."""
    return {name: layer["active"] for name, layer in tier_server.client.health()["isolation"]["layers"].items()}


@pytest.fixture
def neighbour(tier_server):
    """A session that must keep its state and keep answering whatever the test does."""
    client = tier_server.client
    session = client.session()
    client.stdout("mine = 'safe'", session)
    yield session
    assert client.stdout("print(mine)", session) == "safe\n"
    client.delete_session(session)
