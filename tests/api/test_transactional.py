"""Transactional executions: what fails leaves nothing behind."""

import pytest

from harness import until
from harness.sessions import PROBE, STATE, Session, make_session, session  # noqa: F401: two are fixtures


FAILURES = {
    "exception": ("x.append(1)\n1 / 0", "error", 30000),
    "syntax": ("x.append(1)\n)", "error", 30000),
    "timeout": ("x.append(1)\nwhile True: pass", "timeout", 200),
    "kill": ("x.append(1)\nimport os\nos._exit(1)", "killed", 30000),
    "exit": ("x.append(1)\nraise SystemExit(1)", "error", 30000),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("mode", ["adaptive", "off"])
def test_transactional(make_session, failure, mode):
    session = make_session(checkpoints=mode)
    code, status, timeout = FAILURES[failure]
    session.run(STATE)
    for _ in range(2):
        result = session.run(code, transactional=True, timeout=timeout)
        assert (result["status"], result["state"], result["restoredTo"]) == (status, "rolledBack", 1), result
    assert session.says(PROBE) == "[1, 2] 2 True True kept 0 b'abc'\n"
    result = session.run("x.append(7)", transactional=True)
    assert result["status"] == "ok" and result["state"] == "kept"
    assert session.says("print(x)") == "[1, 2, 7]\n"
    if mode == "off":
        until(lambda: session.stats()["live"]["processes"] == 2, "what it needed is given up")


def test_transactional_on_a_fresh_session(session):
    result = session.run("x = 1\n1 / 0", transactional=True)
    assert (result["status"], result["state"], result["restoredTo"]) == ("error", "rolledBack", 0)
    assert session.run("x")["error"]["type"] == "NameError"


def test_transactional_rejected(standard_server):
    session = Session(standard_server.client)
    session.run("x = 1")
    result = session.run("x = 2\nimport ctypes", transactional=True)
    assert (result["status"], result["state"], result["restoredTo"]) == ("rejected", "rolledBack", 1), result
    assert session.says("print(x)") == "1\n"
    session.delete()


def test_transactional_interrupted_by_its_caller(session):
    session.run("x = 1")
    execution = session.client.start("x = 2\nprint('up')\nwhile True: pass", session.id, transactional=True)
    with session.client.events(execution) as events:
        events.next("stdout", "up")
        session.client.expect(202, "DELETE", f"/api/v1/executions/{execution}")
        result = events.result()
    assert (result["status"], result["state"], result["restoredTo"]) == ("interrupted", "rolledBack", 1)
    assert session.says("print(x)") == "1\n"


def test_variables_that_wait_for_the_next_cell_survive_its_being_undone(make_session):
    session = make_session(variables={"given": 5})
    assert session.run("given = 6\n1 / 0", transactional=True)["state"] == "rolledBack"
    assert session.says("print(given)") == "5\n"
