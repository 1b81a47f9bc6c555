"""What figures and tables hold, as data beside the picture, when a run asks for it."""

import pytest

HEAD = "import matplotlib.pyplot as plt\nimport numpy as np, pandas as pd, datetime\n"
COLUMNS = "application/vnd.penny.columns+json"


def chart(worker, code):
    plots = worker.run(HEAD + code, data=True).plots
    assert len(plots) == 1 and plots[0]["text"].startswith("<Figure size ")
    return plots[0]["chart"]


def test_only_where_it_is_wanted(worker):
    code = HEAD + "plt.plot([1, 2])\nplt.show()\npd.DataFrame({'a': [1]})"
    with_data = worker.run(code, data=True)
    assert with_data.plots[0]["chart"]["type"] == "line" and with_data.displays[0]["data"][COLUMNS] == {"a": [1]}
    for again in (worker.run(code), worker.run(code, includeVariables=False)):
        assert "chart" not in again.plots[0] and COLUMNS not in again.displays[0]["data"]


def test_line(worker):
    c = chart(worker, "plt.plot([1, 2, 3], [2, 4, float('nan')], label='first')\nplt.plot([1, 2, 3], [1, 1, 5])\nplt.axhline(2)\n"
                      "plt.title('T')\nplt.xlabel('Time (s)')\nplt.ylabel('Way [m]')\nplt.text(1, 1, 'note')\nplt.grid()\nplt.show()")
    assert (c["type"], c["title"], c["x_label"], c["y_label"], c["x_unit"], c["y_unit"]) == ("line", "T", "Time (s)", "Way [m]", "s", "m")
    assert c["elements"] == [{"label": "first", "points": [[1, 2], [2, 4], [3, None]]}, {"label": "Line 1", "points": [[1, 1], [2, 1], [3, 5]]}]
    assert (c["x_scale"], c["y_scale"]) == ("linear", "linear") and len(c["x_ticks"]) == len(c["x_tick_labels"]) > 2


def test_level_lines_are_lines(worker):
    assert chart(worker, "plt.plot([0, 1], [5, 5])\nplt.show()")["elements"] == [{"label": "Line 0", "points": [[0, 5], [1, 5]]}]


def test_scales(worker):
    c = chart(worker, "plt.plot([datetime.date(2024, 1, d) for d in (1, 2)], [1, 1000])\nplt.yscale('log')\nplt.show()")
    assert (c["x_scale"], c["y_scale"]) == ("datetime", "log") and c["x_ticks"][0].startswith("202") and c["elements"][0]["points"][0] == ["2024-01-01", 1]
    c = chart(worker, "pd.Series([1, 2], index=pd.to_datetime(['2024-01-01', '2024-01-02'])).plot()\nplt.show()")
    assert c["elements"][0]["points"][0][1] == 1
    c = chart(worker, "plt.plot(['a', 'b'], [1, 2])\nplt.show()")
    assert c["x_scale"] == "categorical" and c["x_tick_labels"] == ["a", "b"] and c["elements"][0]["points"] == [["a", 1], ["b", 2]]


def test_scatter(worker):
    c = chart(worker, "plt.scatter([1, 2], [3, 4], label='A')\nplt.scatter([5], [6])\nplt.show()")
    assert c["type"] == "scatter" and c["elements"] == [{"label": "A", "points": [[1, 3], [2, 4]]}, {"label": "Points 1", "points": [[5, 6]]}]
    c = chart(worker, "plt.scatter([datetime.date(2024, 1, 1)], ['up'])\nplt.show()")
    assert c["elements"][0]["points"] == [["2024-01-01T00:00:00", "up"]] and c["x_scale"] == "datetime"


def test_bar(worker):
    c = chart(worker, "plt.bar(['a', 'b'], [1, 2.5])\nplt.xlabel('Who')\nplt.ylabel('Much')\nplt.show()")
    assert (c["type"], c["x_label"], c["y_label"]) == ("bar", "Who", "Much")
    assert c["elements"] == [{"label": "a", "group": "Group 0", "value": 1}, {"label": "b", "group": "Group 0", "value": 2.5}]


def test_bars_of_one_height_stand(worker):
    assert [e["value"] for e in chart(worker, "plt.bar(['a', 'b'], [3, 3])\nplt.show()")["elements"]] == [3, 3]


def test_lying_bars(worker):
    c = chart(worker, "plt.barh(['a', 'b'], [1, 2])\nplt.xlabel('Much')\nplt.ylabel('Who')\nplt.show()")
    assert (c["x_label"], c["y_label"]) == ("Who", "Much") and [(e["label"], e["value"]) for e in c["elements"]] == [("a", 1), ("b", 2)]


def test_groups_of_bars(worker):
    c = chart(worker, "x = np.arange(2)\nplt.bar(x - .2, [1, 2], .4, label='men')\nplt.bar(x + .2, [3, 4], .4, label='women')\nplt.xticks(x, ['G1', 'G2'])\nplt.show()")
    assert [(e["label"], e["group"], e["value"]) for e in c["elements"]] == [("G1", "men", 1), ("G2", "men", 2), ("G1", "women", 3), ("G2", "women", 4)]


def test_numbered_bars(worker):
    assert [e["label"] for e in chart(worker, "plt.bar([10, 20], [1, 2])\nplt.show()")["elements"]] == ["10", "20"]


def test_bars_of_pandas(worker):
    c = chart(worker, "pd.DataFrame({'u': [1, 2], 'v': [3, 4]}, index=['a', 'b']).plot.bar()\nplt.show()")
    assert [(e["label"], e["group"], e["value"]) for e in c["elements"]] == [("a", "u", 1), ("b", "u", 2), ("a", "v", 3), ("b", "v", 4)]


def test_pie(worker):
    c = chart(worker, "plt.pie([1, 3], labels=['a', 'b'], autopct='%1.0f%%')\nplt.title('P')\nplt.show()")
    assert (c["type"], c["title"]) == ("pie", "P") and c["elements"] == [{"label": "a", "angle": 90, "radius": 1}, {"label": "b", "angle": 270, "radius": 1}]


@pytest.mark.parametrize("more", ["", ", patch_artist=True", ", orientation='horizontal'"])
def test_boxes(worker, more):
    c = chart(worker, f"plt.boxplot([[1, 2, 3, 4, 30], [5, 6, 7]], tick_labels=['a', 'b']{more})\nplt.{'y' if 'hor' in more else 'x'}label('Who')\nplt.show()")
    assert (c["type"], c["x_label"]) == ("box_and_whisker", "Who")
    assert c["elements"][0] == {"label": "a", "min": 1, "first_quartile": 2, "median": 3, "third_quartile": 4, "max": 4, "outliers": [30]}
    assert c["elements"][1]["label"] == "b" and c["elements"][1]["outliers"] == []


def test_several_axes(worker):
    c = chart(worker, "f, (a, b, d) = plt.subplots(1, 3)\nf.suptitle('All')\na.plot([1])\na.set_title('one')\nb.bar(['x'], [1])\nplt.show()")
    assert (c["type"], c["title"]) == ("superchart", "All") and [(e["type"], e["title"]) for e in c["elements"]] == [("line", "one"), ("bar", None)]


def test_what_has_no_name(worker):
    assert chart(worker, "plt.imshow([[1, 2]])\nplt.show()") == {"type": "unknown", "title": None, "elements": []}
    assert chart(worker, "plt.plot([1]); plt.fill_between([0, 1], [1, 2])\nplt.show()")["type"] == "unknown"
    assert chart(worker, "plt.subplots()\nplt.show()") is None


def test_too_many_points(worker):
    assert chart(worker, "plt.plot(range(50_001))\nplt.show()") is None


def test_hostile_figures(worker):
    r = worker.run(HEAD + "plt.plot([1], label='x')\nplt.gca().lines[0].get_label = lambda: 1 / 0\nplt.show()\nprint('on')",
                   data=True)
    assert r.stdout == "on\n" and len(r.plots) == 1 and r.plots[0]["chart"] is None


def test_a_figure_as_the_last_expression(worker):
    r = worker.run(HEAD + "f, a = plt.subplots()\na.plot([1, 2])\nf", data=True)
    assert [p["isMainResult"] for p in r.plots] == [True] and r.displays == []


def test_a_table(worker):
    d = worker.run(HEAD + "pd.DataFrame({'n': [1, 2], 'f': [.5, float('nan')], 's': ['a', None], 't': pd.to_datetime(['2024-01-01', None]), 5: [True, [1]]})", data=True).displays[0]
    assert d["isMainResult"] and "text/html" in d["data"]
    assert d["data"][COLUMNS] == {"n": [1, 2], "f": [0.5, None], "s": ["a", None], "t": ["2024-01-01T00:00:00", None], "5": [True, [1]]}
    d = worker.run(HEAD + "display(pd.DataFrame({'a': [1]}))", data=True).displays[0]
    assert d["data"][COLUMNS] == {"a": [1]} and not d["isMainResult"]
    assert COLUMNS not in worker.run(HEAD + "pd.DataFrame(np.zeros((200_001, 1)))", data=True).displays[0]["data"]


def test_a_picture_that_is_saved(worker):
    code = "from PIL import Image\nimport io\ni = Image.new('RGB', (4, 4))\ni.save('x.png')\ni.save(io.BytesIO(), 'PNG')"
    (shown,) = worker.run(code, data=True).displays
    assert shown["data"]["image/png"].startswith("iVBOR") and worker.run(code).displays == []
    saved = worker.run(HEAD + "plt.plot([1])\nplt.savefig('y.png')", data=True)
    assert len(saved.plots) == 1 and saved.displays == []
