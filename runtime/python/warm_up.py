"""In the zygote, once: each costly path of a first cell is walked, so that no session pays for it."""

import io
import json
import traceback


def run():
    _show()
    _fail()
    _describe()
    _plot()


def _show():
    from IPython import get_ipython

    get_ipython().display_formatter.format([1, "a", {"b": 2.5}])
    get_ipython().transform_cell("!true\n")
    json.loads(json.dumps({"a": [1, 2.5, None, "x"]}))


def _fail():
    try:
        raise ValueError("warm-up")
    except ValueError:
        traceback.format_exc()


def _describe():
    try:
        import numpy
        import pandas
    except ImportError:
        return
    from IPython import get_ipython

    from . import values

    frame = pandas.DataFrame({"a": numpy.arange(10), "b": numpy.linspace(0, 1, 10), "c": list("abcdefghij")})
    described = frame.describe()
    get_ipython().display_formatter.format(described)
    str(frame.groupby("c").sum())
    values.describe(frame, True)
    values.describe(frame["a"], True)
    values.describe(numpy.arange(2000.0), True)


def _plot():
    try:
        from matplotlib import pyplot
    except ImportError:
        return
    figure, axes = pyplot.subplots()
    axes.plot([1, 2, 3], label="a")
    axes.set_title("warm-up")
    axes.legend()
    for kind in ("png", "svg"):
        figure.canvas.print_figure(io.BytesIO(), format=kind, bbox_inches="tight")
    pyplot.close(figure)
    _forget_fonts()


def _forget_fonts():
    """A font in matplotlib's cache holds its file open, and a worker inherits no descriptor."""
    from matplotlib import font_manager

    font_manager._get_font.cache_clear()
