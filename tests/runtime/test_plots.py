"""Figures of matplotlib as plot events."""

import base64
import struct

import pytest
from wire import PLOT, STDOUT

HEAD = "import matplotlib.pyplot as plt\n"


def size(plot):
    data = base64.b64decode(plot["data"])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_show(worker):
    r = worker.run(HEAD + "plt.plot([1, 2])\nplt.title('T')\nplt.xlabel('X')\nplt.ylabel('Y')\nplt.show()\nprint(plt.get_fignums())")
    (plot,) = r.plots
    m = plot["metadata"]
    assert plot["format"] == "png" and len(plot["id"]) == 36 and plot["timestamp"].endswith("Z")
    assert (m["title"], m["xlabel"], m["ylabel"]) == ("T", "X", "Y") and m["figsize"] == [6.4, 4.8] and m["backend"] == "agg"
    assert (m["width"], m["height"]) == size(plot) and m["width"] > 400 and m["dpi"] == 100 and m["legend"] is False
    assert r.stdout == "[]\n"


def test_left_open(worker):
    r = worker.run(HEAD + "plt.plot([1, 2]);\nprint('a')")
    assert len(r.plots) == 1 and [k for k, _ in r.order] == [STDOUT, PLOT]
    assert worker.run("print(plt.get_fignums())").stdout == "[]\n"


def test_order(worker):
    r = worker.run(HEAD + "for i in range(3):\n    print('before', i)\n    plt.plot([i, 1])\n    plt.show()\n    print('after', i)")
    assert r.order == [
        (STDOUT, "before 0\n"), (PLOT, None), (STDOUT, "after 0\nbefore 1\n"), (PLOT, None), (STDOUT, "after 1\nbefore 2\n"), (PLOT, None), (STDOUT, "after 2\n"),
    ]


def test_several_figures(worker):
    r = worker.run(HEAD + "plt.figure(); plt.plot([1]); plt.title('one')\nplt.figure(); plt.plot([2]); plt.title('two')\nplt.show()")
    assert [p["metadata"]["title"] for p in r.plots] == ["one", "two"]


def test_subplots(worker):
    r = worker.run(HEAD + "fig, axes = plt.subplots(2, 2)\nfig.suptitle('S')\naxes[0, 0].plot([1], label='l')\naxes[0, 0].legend()")
    m = r.plots[0]["metadata"]
    assert m["axes"] == 4 and m["title"] == "S" and m["legend"] is True


def test_savefig(worker, drive):
    r = worker.run(HEAD + "plt.plot([1, 2])\nplt.savefig('saved.png', dpi=50)\nprint('saved')")
    (plot,) = r.plots
    assert base64.b64decode(plot["data"]) == (drive.workspace / "saved.png").read_bytes()
    assert [k for k, _ in r.order] == [PLOT, STDOUT]
    assert plot["metadata"]["dpi"] == 50


@pytest.mark.parametrize("kind, start", [("png", b""), ("png", b"before"), ("svg", b"before")])
def test_savefig_into_memory(worker, kind, start):
    """What the program has is what is shown, and it is drawn once."""
    r = worker.run(HEAD + f"""
import io, base64
file = io.BytesIO({start!r})
file.seek(0, 2)
plt.plot([1, 2])
plt.savefig(file, format={kind!r}, dpi=50)
file.write(b'after')
print(base64.b64encode(file.getvalue()).decode())""")
    (plot,) = r.plots
    assert base64.b64decode(r.stdout) == start + base64.b64decode(plot["data"]) + b"after"
    assert (plot["format"], plot["metadata"]["dpi"]) == (kind, 50)


def test_what_is_past_the_limit_is_not_drawn(worker):
    r = worker.run(HEAD + """
from matplotlib.backends.backend_agg import FigureCanvasAgg
import functools
drawn, draw = [], FigureCanvasAgg.print_png
@functools.wraps(draw)
def print_png(self, *args, **keywords):
    drawn.append(1)
    return draw(self, *args, **keywords)
FigureCanvasAgg.print_png = print_png
for i in range(25):
    if i == 20: before = len(drawn)
    plt.figure(); plt.plot([i]); plt.savefig('x.pdf'); plt.close()
FigureCanvasAgg.print_png = draw
print(before >= 20, len(drawn) - before)""")
    assert len(r.plots) == 20 and r.stdout == "True 0\n", r.error


@pytest.mark.parametrize(
    "code, count",
    [
        ("plt.plot([1]); plt.savefig('a.png'); plt.show()", 1),
        ("plt.plot([1]); plt.savefig('a.png'); plt.savefig('b.png')", 1),
        ("plt.plot([1]); plt.savefig('a.png'); plt.plot([2]); plt.savefig('b.png')", 2),
        ("plt.plot([1]); plt.savefig('a.png'); plt.title('new'); plt.show()", 2),
        ("f = plt.figure(); plt.plot([1]); plt.show(); plt.show()", 1),
        ("plt.figure()", 0),
        ("plt.plot([1]); plt.close()", 0),
        ("plt.plot([1]); plt.savefig('a.pdf'); plt.close()", 1),
        ("import io; plt.plot([1]); plt.savefig(io.BytesIO(), format='png'); plt.close()", 1),
        ("f, a = plt.subplots(); a.plot([1]); display(f)", 1),
        ("f, a = plt.subplots(); a.plot([1])\nf", 1),
        ("from matplotlib.figure import Figure\nf = Figure(); f.subplots().plot([1])\nf", 1),
        ("import matplotlib\nmatplotlib.use('Agg')\nplt.plot([1])\nplt.show()", 1),
        ("plt.switch_backend('agg')\nplt.plot([1])\nplt.show()", 1),
        ("plt.ion(); plt.plot([1]); plt.draw(); plt.pause(0.01)", 1),
        ("import matplotlib\nmatplotlib.use('pdf')\nplt.plot([1])", 1),
        ("plt.imshow([[1, 2], [3, 4]]); plt.colorbar(); plt.show()", 1),
        ("plt.figtext(0.5, 0.5, 'only text')", 1),
    ],
)
def test_each_figure_once(worker, code, count):
    r = worker.run(HEAD + code)
    assert r.status == "ok", r.error
    assert len(r.plots) == count and r.stderr == ""


def test_the_figure_as_result(worker):
    r = worker.run(HEAD + "fig, ax = plt.subplots()\nax.plot([1])\nfig")
    assert r.main == {"text/plain": "<Figure size 640x480 with 1 Axes>"} and len(r.plots) == 1


def test_pandas_and_seaborn(worker):
    r = worker.run("import pandas as pd\npd.DataFrame({'a': [1, 2]}).plot(title='P');")
    assert r.plots[0]["metadata"]["title"] == "P"
    r = worker.run("import seaborn as sns\nsns.heatmap([[1, 2], [3, 4]]);")
    assert len(r.plots) == 1


def test_limits(worker):
    r = worker.run(HEAD + "plt.figure(figsize=(100, 50)); plt.plot([1])")
    width, height = size(r.plots[0])
    assert 1500 < width <= 2048 and height <= 2048 and r.plots[0]["metadata"]["figsize"] == [100, 50]
    r = worker.run(HEAD + "plt.figure(dpi=1200); plt.plot([1])")
    assert max(size(r.plots[0])) <= 2048
    r = worker.run("for i in range(25):\n    plt.figure(); plt.plot([i]); plt.savefig('x.png'); plt.close()")
    assert len(r.plots) == 20 and "first 20 plots" in r.stderr
    assert len(worker.run("plt.plot([1]);").plots) == 1


def test_too_large_an_image(worker):
    r = worker.run(HEAD + "import numpy as np\nplt.figure(figsize=(20, 20)); plt.imshow(np.random.rand(2000, 2000, 3)); plt.show()", plots={"maxPlotSize": 300_000})
    assert len(base64.b64decode(r.plots[0]["data"])) <= 300_000


def test_a_figure_that_cannot_be_drawn(worker):
    r = worker.run(HEAD + "plt.figure(); plt.title('$\\\\nosuch$')\nplt.figure(); plt.plot([1]); plt.title('good')\nx = 5")
    assert r.status == "ok" and "nosuch" in r.stderr and [p["metadata"]["title"] for p in r.plots] == ["good"]
    assert worker.run("x").main == {"text/plain": "5"}


def test_left_open_when_the_cell_fails(worker):
    r = worker.run(HEAD + "plt.plot([1])\n1/0")
    assert r.status == "error" and len(r.plots) == 1


def test_animation(worker):
    code = HEAD + "from matplotlib.animation import FuncAnimation\nfig, ax = plt.subplots()\n(line,) = ax.plot([])\na = FuncAnimation(fig, lambda i: line.set_data([0, i], [0, i]), frames=12)\n"
    r = worker.run(code + "a.save('a.gif', writer='pillow')\nplt.close()")
    assert r.status == "ok" and len(r.plots) == 0
    r = worker.run(code + "from IPython.display import HTML\nplt.close()\nHTML(a.to_jshtml())")
    assert "<script" in r.main["text/html"] and len(r.main["text/html"]) < 6_000_000


def test_first_plot_without_preload(make_drive):
    worker = make_drive(preload=["IPython"]).fork()
    r = worker.run(HEAD + "plt.plot([1, 2])\nplt.show()")
    assert len(r.plots) == 1 and r.status == "ok"
    r = worker.run("from PIL import Image\nImage.new('L', (2, 2)).show()")
    assert "image/png" in r.displays[0]["data"]
