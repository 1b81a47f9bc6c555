"""GET .../notebook: the history of a session as a document that Jupyter takes."""

import json

import nbformat

PLOT = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"


def notebook(client, session, query=""):
    response = client.get(f"/api/v1/sessions/{session}/notebook{query}")
    assert response.status == 200 and response.headers["content-type"].startswith("application/x-ipynb+json"), response
    assert "attachment" in response.headers["content-disposition"]
    document = nbformat.reads(response.body.decode(), as_version=nbformat.NO_CONVERT)
    nbformat.validate(document)
    assert (document.nbformat, document.nbformat_minor) == (4, 5)
    return document


def outputs(cell):
    return [o.output_type for o in cell.outputs]


def test_a_session_without_executions_is_an_empty_notebook(client, session):
    assert notebook(client, session).cells == []


def test_every_kind_of_output_is_a_cell_s_own_and_in_order(client, session):
    codes = ["print('one')\nimport sys\nprint('two', file=sys.stderr)\nprint('three')\n40 + 2", PLOT, "1/0",
             "from IPython.display import HTML, JSON, display\ndisplay(HTML('<b>hi</b>'))\ndisplay(JSON({'a': [1, 2.5, None]}))"]
    results = [client.execute(code, session) for code in codes]
    cells = notebook(client, session).cells
    assert [c.source for c in cells] == codes
    assert [c.execution_count for c in cells] == [r["executionCount"] for r in results]
    assert [c.id for c in cells] == [r["executionId"] for r in results]
    first, plot, error, rich = cells
    assert [(o.name, o.text) for o in first.outputs[:3]] == [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]
    assert first.outputs[3].output_type == "execute_result" and first.outputs[3].data["text/plain"] == "42"
    assert first.outputs[3].execution_count == first.execution_count
    assert plot.outputs[0].output_type == "display_data" and plot.outputs[0].data["image/png"].startswith("iVBOR")
    assert outputs(error) == ["error"] and error.outputs[0].ename == "ZeroDivisionError" and "1/0" in "".join(error.outputs[0].traceback)
    assert outputs(rich) == ["display_data", "display_data"]
    assert rich.outputs[0].data["text/html"] == "<b>hi</b>" and rich.outputs[1].data["application/json"] == {"a": [1, 2.5, None]}
    assert [c.metadata.penny.status for c in cells] == ["ok", "ok", "error", "ok"]


def test_prints_of_one_stream_are_one_output(client, session):
    client.stdout("import time\nfor i in range(20):\n    print(i)\n    time.sleep(0.006)", session)
    [cell] = notebook(client, session).cells
    assert outputs(cell) == ["stream"] and cell.outputs[0].text == "".join(f"{i}\n" for i in range(20))


def test_since(client, session):
    counts = [client.execute(f"print({i})", session)["executionCount"] for i in range(3)]
    assert [c.execution_count for c in notebook(client, session, f"?since={counts[1]}").cells] == counts[1:]
    assert client.get(f"/api/v1/sessions/{session}/notebook?since=x").status == 400


def test_what_runs_is_there_as_far_as_it_is(client, session):
    with client.stream("print('up')\nname = input('who? ')\nprint(name)", session) as stream:
        stream.next("inputRequest")
        [cell] = notebook(client, session).cells
        assert cell.outputs[0].text == "up\nwho? " and cell.metadata.penny.status == "running"
        client.expect(202, "POST", f"/api/v1/executions/{stream.seen[0].json['executionId']}/input", {"text": "x"})
        stream.result()
    assert notebook(client, session).cells[0].outputs[0].text == "up\nwho? x\n"


def test_a_hostile_program_s_output_makes_no_invalid_notebook(client, session):
    client.execute("""
print('"}],"cells":[]}', '\\ud800', '\\x00\\x1b[31m', '\\u2028')
class Odd:
    def _repr_mimebundle_(self, **_):
        return {'not a type': {'x': 1}, 'text/plain': 'fine', 'application/json': 10**30, 'image/svg+xml': ['no', 'text'], 'a/b+json': 1e308, 'application/x.y+json': 1e308}
from IPython.display import display
display(Odd())
raise type('E"\\n', (Exception,), {})('"')
""", session)
    [cell] = notebook(client, session).cells
    assert '"}],"cells":[]}' in cell.outputs[0].text
    shown = next(o for o in cell.outputs if o.output_type == "display_data")
    assert shown.data["text/plain"] == "fine" and set(shown.data) == {"text/plain", "application/json", "application/x.y+json"}
    assert cell.outputs[-1].output_type == "error"


def test_a_big_value_comes_whole(client, session):
    client.execute("from IPython.display import HTML, display\ndisplay(HTML('<p>' * 100000))", session)
    assert notebook(client, session).cells[0].outputs[0].data["text/html"] == "<p>" * 100000


def test_long_code_is_kept_in_part_and_says_so(client, session):
    code = "x = 1\n" * 20000
    client.execute(code, session)
    source = notebook(client, session).cells[0].source
    assert len(source) < 70000 and source.startswith("x = 1\n") and "was not kept" in source


def test_it_is_bounded_and_the_newest_cells_keep_their_outputs(make_server):
    client = make_server().start().client
    session = client.session()
    for i in range(3):
        client.execute("print('x' * 8_000_000)", session, includeVariables=False)
    response = client.get(f"/api/v1/sessions/{session}/notebook")
    cells = json.loads(response.body)["cells"]
    assert len(response.body) < 17 * 1024 * 1024 and len(cells) == 3
    assert len(cells[2]["outputs"][0]["text"]) == 8_000_001
    assert cells[0]["metadata"]["penny"]["outputIncomplete"] is True and "outputIncomplete" not in cells[2]["metadata"]["penny"]


def test_an_image_of_a_restarted_session_stays(client, session):
    client.execute("import os\nprint('before', flush=True)\nos._exit(3)", session)
    client.execute("print('after')", session)
    dead, after = notebook(client, session).cells
    assert dead.metadata.penny.status == "killed" and dead.outputs[0].text == "before\n" and outputs(dead)[-1] == "error"
    assert after.outputs[0].text == "after\n"


def test_an_unknown_session(client):
    assert client.get("/api/v1/sessions/00000000-0000-4000-8000-000000000000/notebook").status == 404
