"""Plots of a session: what is listed, and the pictures themselves."""

import base64
import struct
import uuid

import pytest

HEAD = "import matplotlib.pyplot as plt\n"
NOBODY = str(uuid.UUID(int=7))


@pytest.fixture
def plots(client, session):
    class Plots:
        def list(self):
            answer = client.expect(200, "GET", f"/api/v1/sessions/{session}/plots")
            assert answer["sessionId"] == session
            return answer["plots"]

        def get(self, plot, query=""):
            return client.get(f"/api/v1/sessions/{session}/plots/{plot}{query}")

        def run(self, code):
            result = client.execute(code, session)
            assert result["success"], result
            return result

    return Plots()


def pixels(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_a_session_without_plots(plots):
    assert plots.list() == []
    plots.run("print(1)\n[1]")
    assert plots.list() == []


def test_a_plot_is_listed_and_is_an_image(plots):
    result = plots.run(HEAD + "plt.plot([1, 2], label='l')\nplt.title('T')\nplt.xlabel('X')\nplt.legend()\nplt.show()")
    (shown,), (listed,) = result["output"]["plots"], plots.list()
    assert listed["id"] == shown["id"] and listed["format"] == "png" and "data" not in listed
    assert listed["metadata"] == shown["metadata"] and listed["executionId"] == result["executionId"]
    meta = listed["metadata"]
    assert (meta["title"], meta["xlabel"], meta["legend"], meta["figsize"]) == ("T", "X", True, [6.4, 4.8])
    answer = plots.get(shown["id"])
    assert answer.status == 200 and answer.headers["content-type"] == "image/png"
    assert answer.body == base64.b64decode(shown["data"]) and pixels(answer.body) == (meta["width"], meta["height"])
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_shown_saved_left_over_several_and_subplots(plots):
    plots.run(HEAD + "plt.plot([1]); plt.title('shown'); plt.show()\nplt.figure(); plt.plot([2]); plt.title('saved'); plt.savefig('a.png'); plt.close()")
    plots.run("plt.figure(); plt.plot([3]); plt.title('left')\nplt.figure(); plt.plot([4]); plt.title('over')")
    plots.run("fig, axes = plt.subplots(2, 2); fig.suptitle('four'); axes[1, 1].plot([1])")
    assert [p["metadata"]["title"] for p in plots.list()] == ["shown", "saved", "left", "over", "four"]
    assert plots.list()[-1]["metadata"]["axes"] == 4
    for plot in plots.list():
        assert pixels(plots.get(plot["id"]).body) == (plot["metadata"]["width"], plot["metadata"]["height"])


def test_svg_can_do_nothing_where_it_is_shown(plots):
    plots.run("%matplotlib inline\n%config InlineBackend.figure_formats = ['svg']\n" + HEAD + "plt.plot([1, 2]); plt.title('<script>alert(1)</script>'); plt.show()")
    (plot,) = plots.list()
    answer = plots.get(plot["id"])
    assert plot["format"] == "svg" and answer.headers["content-type"] == "image/svg+xml" and b"<svg" in answer.body
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert b"<script" not in answer.body


def test_the_inline_backend_s_settings_are_there_from_the_start(plots):
    plots.run("%config InlineBackend.figure_format = 'svg'\n" + HEAD + "plt.plot([1, 2])\nplt.show()")
    assert [p["format"] for p in plots.list()] == ["svg"]


def test_a_figure_saved_as_svg_is_shown_as_such(plots):
    plots.run(HEAD + "plt.plot([1]); plt.savefig('a.svg'); plt.close()")
    (plot,) = plots.list()
    assert plot["format"] == "svg" and b"<svg" in plots.get(plot["id"]).body


def test_hostile_svg_is_sandboxed(plots):
    plots.run("from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>')")
    (plot,) = plots.list()
    answer = plots.get(plot["id"])
    assert answer.headers["content-type"] == "image/svg+xml" and answer.headers["content-security-policy"].startswith("sandbox;")
    assert b"alert(1)" in answer.body


def test_plotly_as_page_and_as_json(plots):
    plots.run("import plotly.graph_objects as go\nfig = go.Figure(go.Scatter(y=[1, 3, 2])); fig.update_layout(title='<b>P</b>')\nfig")
    (plot,) = plots.list()
    assert plot["format"] == "html" and plot["metadata"] == {"interactive": True, "backend": "plotly"}
    page = plots.get(plot["id"])
    assert page.headers["content-type"] == "text/html; charset=utf-8" and b"plotly" in page.body
    assert page.headers["content-disposition"] == 'attachment; filename="plot.html"'
    assert page.headers["content-security-policy"].startswith("sandbox;")
    figure = plots.get(plot["id"], "?format=json")
    assert figure.headers["content-type"] == "application/vnd.plotly.v1+json"
    assert figure.json["data"][0]["type"] == "scatter" and figure.json["layout"]["title"]["text"] == "<b>P</b>"


def test_images_of_pillow(plots):
    plots.run("from PIL import Image\nImage.new('RGB', (30, 20), 'red')")
    plots.run("Image.new('L', (7, 5)).show()")
    first, second = plots.list()
    assert (first["metadata"]["width"], first["metadata"]["height"]) == (30, 20) and first["format"] == "png"
    assert pixels(plots.get(first["id"]).body) == (30, 20) and pixels(plots.get(second["id"]).body) == (7, 5)


def test_a_large_image_in_parts(plots):
    plots.run(HEAD + "import numpy as np\nplt.figure(figsize=(12, 12)); plt.imshow(np.random.rand(700, 700, 3)); plt.show()")
    (plot,) = plots.list()
    body = plots.get(plot["id"]).body
    assert len(body) > 300_000 and pixels(body) == (plot["metadata"]["width"], plot["metadata"]["height"])


def test_only_the_last_ones_are_kept(plots):
    for part in range(2):
        plots.run(HEAD + f"for i in range(15):\n    plt.figure(figsize=(1, 1)); plt.plot([i]); plt.title(f'{part}-{{i}}'); plt.show()")
    titles = [p["metadata"]["title"] for p in plots.list()]
    assert titles == [f"0-{i}" for i in range(10, 15)] + [f"1-{i}" for i in range(15)]


def test_animations_are_capped(plots):
    result = plots.run(HEAD + "for i in range(40):\n    plt.clf(); plt.plot([i]); plt.pause(0.001) if False else plt.savefig('f.png')")
    assert len(result["output"]["plots"]) == 20 and len(plots.list()) == 20
    assert "Only the first 20 plots" in result["output"]["stderr"]


def test_plots_stay_after_the_interpreter(client, session, plots):
    plots.run(HEAD + "plt.plot([1]); plt.show()")
    client.execute("import os\nos.abort()", session)
    (plot,) = plots.list()
    assert plots.get(plot["id"]).status == 200


def test_ids_that_a_program_makes_up(client, session, plots):
    code = """
import json, _penny, base64
def send(**plot):
    _penny.send(68, json.dumps(plot).encode()); _penny.flush()
send(id='../../etc/passwd', format='png', data='QUJD', metadata={})
send(id='%s', format='exe', data='QUJD', metadata={})
send(id='%s', format='png', data='not base64!', metadata={})
send(id='%s', format='html', data='PGI+', metadata=5)
send(id='%s', format='html', data='PGk+', metadata={'n': 2})
""" % (NOBODY, str(uuid.UUID(int=8)), str(uuid.UUID(int=9)), str(uuid.UUID(int=9)))
    plots.run(code)
    assert [p["id"] for p in plots.list()] == [str(uuid.UUID(int=8)), str(uuid.UUID(int=9))]
    assert plots.get(str(uuid.UUID(int=8))).status == 422
    page = plots.get(str(uuid.UUID(int=9)))
    assert page.body == b"<i>" and page.headers["content-disposition"].startswith("attachment") and "sandbox" in page.headers["content-security-policy"]


def test_errors(client, session, plots):
    for id in (NOBODY, "nonsense", "%00", "a" * 500):
        answer = plots.get(id)
        assert answer.status in (400, 404) and answer.json["statusCode"] == answer.status, answer
    assert plots.get(NOBODY).json["code"] == "PLOT_NOT_FOUND"
    plots.run(HEAD + "plt.plot([1]); plt.show()")
    (plot,) = plots.list()
    assert plots.get(plot["id"], "?format=gif").status == 400
    assert plots.get(plot["id"], "?format=json").status == 422
    assert client.get(f"/api/v1/sessions/{NOBODY}/plots").json["code"] == "SESSION_NOT_FOUND"
    assert client.get(f"/api/v1/sessions/{NOBODY}/plots/{plot['id']}").status == 404
    other = client.session()
    assert client.get(f"/api/v1/sessions/{other}/plots/{plot['id']}").status == 404, "a plot belongs to its session"
    client.delete_session(other)


def test_a_plot_that_the_log_has_dropped(make_server, tmp_path):
    from harness import write_policies

    policies = write_policies(tmp_path, resources={"execution": {"maxOutputSize": 200_000}})
    tmp_path.chmod(0o755)
    server = make_server(env={"SANDBOX_POLICY_DIR": policies}).start()
    client, session = server.client, server.client.session()
    client.execute(HEAD + "plt.plot([1]); plt.show()", session)
    (first,) = client.get(f"/api/v1/sessions/{session}/plots").json["plots"]
    for _ in range(8):
        client.execute("print('x' * 190_000)", session)
    assert client.get(f"/api/v1/sessions/{session}/plots").json["plots"] == []
    assert client.get(f"/api/v1/sessions/{session}/plots/{first['id']}").json["code"] == "PLOT_GONE"
