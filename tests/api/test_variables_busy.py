"""Variables while a cell runs: asked of a copy."""

import time

from harness import until
from harness.sessions import Busy, make_session, session  # noqa: F401: two are fixtures


def test_variables_while_a_cell_runs(session):
    session.run("import pandas as pd\nx = 5\ndf = pd.DataFrame({'a': range(500)})")
    session.is_held()
    times = []
    with Busy(session, "x = 6\nprint('up')\nwhile True: pass"):
        for _ in range(5):
            started = time.monotonic()
            found = session.client.expect(200, "GET", f"{session.path}/variables")
            times.append(time.monotonic() - started)
            assert found["stale"] is True and found["asOf"] == 1 and found["variables"]["x"]["value"] == 5, found
        one = session.client.expect(200, "GET", f"{session.path}/variables/x")
        assert (one["value"], one["stale"], one["asOf"]) == (5, True, 1), one
        page = session.client.expect(200, "GET", f"{session.path}/variables/df?offset=100&limit=2")
        assert page["stale"] is True
        assert session.client.get(f"{session.path}/variables/nothing").status == 404
        assert "family" not in session.client.expect(200, "GET", session.path), "who reads is no fork"
        answer = session.client.request("PUT", f"{session.path}/variables", {"x": 7})
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", "what changes must wait"
        until(lambda: session.stats()["live"]["processes"] == 3, "no reader stays")
    print("ms:", [round(t * 1000, 1) for t in times])
    assert sorted(times)[1] < 5, times  # the cell never ends; 50 ms are promised, and a busy machine is given more
    found = session.client.expect(200, "GET", f"{session.path}/variables")
    assert "stale" not in found and found["variables"]["x"]["value"] == 6
    result = session.run("import os\nos._exit(1)")
    assert result["state"] == "rolledBack" and session.says("print(len(df))") == "500\n", "the copy that was read from is a checkpoint still"


def test_variables_while_a_cell_runs_and_there_is_no_copy(make_session):
    session = make_session(checkpoints="off")
    session.run("x = 5")
    with Busy(session):
        answer = session.client.get(f"{session.path}/variables")
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", answer


def test_a_copy_that_dies_over_what_it_is_asked(session):
    session.run("x = 5\nclass H:\n  def __repr__(self): import os; os._exit(1)\nh = H()", includeVariables=False)
    session.is_held()
    with Busy(session):
        answer = session.client.get(f"{session.path}/variables")
        assert answer.status == 409 and answer.json["code"] == "SESSION_BUSY", answer
        assert session.client.expect(200, "GET", f"{session.path}/variables/x")["value"] == 5, "the copy itself has not died"


def test_many_read_while_a_cell_runs(session):
    from concurrent.futures import ThreadPoolExecutor
    session.run("x = 5")
    session.is_held()
    with Busy(session), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: session.client.get(f"{session.path}/variables/x"), range(16)))
        assert all(a.status == 200 and a.json["value"] == 5 for a in answers), answers
