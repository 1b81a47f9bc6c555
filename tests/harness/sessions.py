"""One live session, with its checkpoints. A test file that imports the fixtures has them in place of the plain `session`."""

import pytest

from .wait import until


# What no pickle holds: a generator half-way, an open file, a lambda, a module's own state, a cycle.
STATE = """
import io, math, tempfile
x = [1, 2]
def counter():
    yield from range(100)
g = counter(); next(g); next(g)
f = lambda: x
file = tempfile.TemporaryFile(); _ = file.write(b'abc'); file.flush()
math.mine = 'kept'
class A: pass
a = A(); a.b = a
"""
PROBE = "print(x, next(g), f() is x, a.b is a, math.mine, file.seek(0), file.read())"


class Session:
    def __init__(self, client, **fields):
        self.client, self.id = client, client.session(**fields)
        self.path = f"/api/v1/sessions/{self.id}"

    def run(self, code, **fields):
        return self.client.execute(code, self.id, **fields)

    def says(self, code):
        return self.client.stdout(code, self.id)

    def checkpoint(self, name=None):
        return self.client.expect(201, "POST", f"{self.path}/checkpoints", {"name": name} if name else {})

    def checkpoints(self):
        return self.client.expect(200, "GET", f"{self.path}/checkpoints")

    def rollback(self, which=None):
        return self.client.expect(200, "POST", f"{self.path}/rollback", {"checkpointId": which} if which else None)

    def set(self, mode):
        assert self.client.expect(200, "PATCH", self.path, {"checkpoints": mode})["checkpoints"] == mode

    def stats(self):
        return self.client.expect(200, "GET", f"{self.path}/stats")

    def is_held(self):
        """Waits until a copy holds all that the session holds."""
        return until(lambda: self.checkpoints()["state"]["upToDate"], "a copy is taken")

    def delete(self):
        self.client.delete_session(self.id)


class Busy:
    """The session runs until the end of the block."""

    def __init__(self, session, code="print('up')\nwhile True: pass"):
        self.session, self.code = session, code

    def __enter__(self):
        self.execution = self.session.client.start(self.code, self.session.id)
        with self.session.client.events(self.execution) as events:
            events.next("stdout", "up")
        return self

    def __exit__(self, *_):
        self.session.client.expect(202, "DELETE", f"/api/v1/executions/{self.execution}")
        until(lambda: self.session.client.execution(self.execution)["status"] not in ("queued", "running"), "it ends")


@pytest.fixture
def make_session(client):
    made = []

    def make(**fields):
        made.append(Session(client, **fields))
        return made[-1]

    yield make
    for session in made:
        session.delete()


@pytest.fixture
def session(make_session):
    return make_session()
