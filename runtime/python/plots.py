"""Figures of matplotlib as PlotData events: shown, saved, or left open when the cell ends, each where the program made it."""

import base64
import functools
import io
import os
import struct
import sys
import time
import uuid
import weakref

import _penny

from . import charts, errors, late, payload

EVENT_PLOT = 68

# What a run may send; "plots" of a REQUEST_SETUP changes them.
limits = {"maxPlots": 20, "maxPlotSize": 5_242_880, "maxPlotWidth": 2048, "maxPlotHeight": 2048, "maxDpi": 300}

is_saving = False  # a figure is being written to a file
_cell, _count = 0, 0  # the cell of the last plot, and its plots so far
_sent = weakref.WeakKeyDictionary()  # figure -> True: sent, and not changed as long as it is not stale
_open = {}  # pyplot's own dictionary of figures, once pyplot is there
_figure_type = ()


def start():
    charts.start()
    late.after_import("matplotlib._pylab_helpers", _prepare_managers)
    late.after_import("matplotlib.backends.backend_agg", _prepare_agg)
    late.after_import("matplotlib.figure", _prepare_figure)
    late.after_import("matplotlib", _prepare_settings)


def begin():
    global _count
    _cell, _count = 0, 0  # the cell of the last plot, and its plots so far


def flush():
    """At the end of a cell that has left figures open: they are shown and closed."""
    show_all()


def is_figure(value):
    return _figure_type != () and issubclass(type(value), _figure_type)


def show_all():
    from matplotlib import pyplot

    managers = list(_open.values())
    try:
        for manager in managers:
            _show_or_tell(manager.canvas.figure)
    finally:
        pyplot.close("all")


def _show_or_tell(figure):
    """A figure that cannot be drawn (a faulty formula in a title) is told of and keeps no other from being shown."""
    try:
        show_figure(figure)
    except Exception as error:
        sys.stderr.write(errors.text_of(type(error), error, error.__traceback__))


def show_figure(figure, is_main=False):
    """Sends a figure, unless it is empty or has been sent as it is now. Returns whether it did."""
    if not _has_content(figure) or _is_sent(figure):
        return False
    _send(figure, lambda: _render(figure), is_main)
    return True


def _is_sent(figure):
    return figure in _sent and not figure.stale


def _has_content(figure):
    return len(figure.get_children()) > 1 or bool(figure.patch.get_visible() and figure.axes)


def _prepare_settings(module):
    module.rcParams["animation.embed_limit"] = 5  # MB: later frames of an animation shown as HTML are dropped


def _prepare_managers(module):
    global _open
    _open = module.Gcf.figs
    _penny.watch_figures(_open)


def _prepare_agg(module):
    from matplotlib.backend_bases import FigureManagerBase

    class FigureManager(FigureManagerBase):
        @classmethod
        def pyplot_show(cls, *args, **keywords):
            show_all()

    module.FigureCanvasAgg.manager_class = FigureManager


def _prepare_figure(module):
    global _figure_type
    _figure_type = module.Figure
    original = module.Figure.savefig

    @functools.wraps(original)
    def savefig(self, fname, *args, **keywords):
        global is_saving
        known, is_saving = _is_sent(self), True
        start = fname.tell() if type(fname) is io.BytesIO else 0
        try:
            original(self, fname, *args, **keywords)
        finally:
            is_saving = False
        if keywords.get("format") not in ("rgba", "raw"):  # those are the frames of an animation
            _saved(self, lambda: _read_back(fname, start, keywords.get("dpi")) or _render(self), known)

    module.Figure.savefig = savefig


def _saved(figure, draw, known):
    if not known and _has_content(figure):
        _send(figure, draw)
    elif known:
        figure.stale = False  # saving alone has changed nothing


def _read_back(target, start, dpi):
    """(format, bytes, dpi) of what the program has just saved to a file or, from `start`, into memory, when it can be sent as it is: to draw takes longer."""
    if type(target) is io.BytesIO:
        data = bytes(target.getbuffer()[start : target.tell()])
    elif isinstance(target, (str, os.PathLike)) and os.path.isfile(target) and os.path.getsize(target) <= limits["maxPlotSize"]:
        with open(target, "rb") as file:
            data = file.read()
    else:
        return None
    dpi = dpi if isinstance(dpi, (int, float)) else None
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _fits(data):
        return "png", data, dpi
    if data.startswith(b"<?xml") and b"<svg" in data[:1000] and len(data) <= limits["maxPlotSize"]:
        return "svg", data, dpi
    return None


def _size(data):
    return struct.unpack(">II", data[16:24])


def _fits(data):
    width, height = _size(data)
    return width <= limits["maxPlotWidth"] and height <= limits["maxPlotHeight"] and len(data) <= limits["maxPlotSize"]


def _wanted():
    """(format, scale) as %config InlineBackend says."""
    config = sys.modules.get("matplotlib_inline.config")
    if config is None or not config.InlineBackend.initialized():
        return "png", 1
    formats = config.InlineBackend.instance().figure_formats
    if "svg" in formats:
        return "svg", 1
    return "png", 2 if "retina" in formats else 1


def _print(figure, kind, dpi):
    buffer = io.BytesIO()
    figure.canvas.print_figure(
        buffer, format=kind, dpi=dpi, bbox_inches="tight", facecolor=figure.get_facecolor(), edgecolor=figure.get_edgecolor()
    )
    return buffer.getvalue()


def _render(figure):
    """(format, bytes, dpi), small enough for the limits."""
    kind, scale = _wanted()
    inches = figure.get_size_inches()
    dpi = min(figure.dpi * scale, limits["maxDpi"], limits["maxPlotWidth"] / inches[0], limits["maxPlotHeight"] / inches[1])
    data = _print(figure, kind, dpi)
    if kind == "svg" and len(data) > limits["maxPlotSize"]:
        kind, data = "png", _print(figure, "png", dpi)
    while kind == "png" and not _fits(data) and dpi > 10:
        width, height = _size(data)
        dpi *= 0.95 * min(1, limits["maxPlotWidth"] / width, limits["maxPlotHeight"] / height)
        if len(data) > limits["maxPlotSize"]:
            dpi *= 0.7
        data = _print(figure, kind, dpi)
    return kind, data, dpi


def _send(figure, draw, is_main=False):
    """Draw: gives (format, bytes, dpi), and is asked only for what there is room for in this run."""
    global _cell, _count
    if _cell != _penny.execution_count():
        _cell, _count = _penny.execution_count(), 0
    drawn = draw() if _count < limits["maxPlots"] else None
    _count += 1
    _sent[figure] = True
    figure.stale = False
    if drawn is None:
        if _count == limits["maxPlots"] + 1:
            sys.stderr.write(f"Only the first {limits['maxPlots']} plots of a run are sent.\n")
        return
    kind, data, dpi = drawn
    plot = {
        "id": str(uuid.uuid4()),
        "format": kind,
        "data": base64.b64encode(data).decode(),
        "metadata": _metadata(figure, kind, data, dpi or figure.dpi),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1_000_000 % 1000:03d}Z",
    }
    if not _penny.send(EVENT_PLOT, _dump(plot, figure, is_main)):
        sys.stderr.write("A plot made in a child process is not shown.\n")
    _penny.flush()


def _dump(plot, figure, is_main):
    """With what it shows as data, where that is wanted and there is room for it."""
    if not charts.wanted:
        return payload.dumps(plot)
    plot["text"], plot["isMainResult"] = repr(figure), is_main
    try:
        chart = charts.describe(figure)
    except Exception:  # artists can be of the program's own making
        chart = None
    figure.stale = False  # to look has changed nothing
    text = payload.dumps({**plot, "chart": chart})
    return text if len(text) <= limits["maxPlotSize"] // 3 * 4 else payload.dumps(plot)


def _metadata(figure, kind, data, dpi):
    inches = figure.get_size_inches()
    width, height = _size(data) if kind == "png" else (round(inches[0] * 96), round(inches[1] * 96))
    metadata = {
        "width": width,
        "height": height,
        "figsize": [float(inches[0]), float(inches[1])],
        "dpi": round(float(dpi), 2),
        "backend": "agg",
        "axes": len(figure.axes),
    }
    first = figure.axes[0] if figure.axes else None
    texts = {"title": figure.get_suptitle()}
    if first is not None:
        texts["title"] = first.get_title() or first.get_title("left") or first.get_title("right") or texts["title"]
        texts["xlabel"], texts["ylabel"] = first.get_xlabel(), first.get_ylabel()
        metadata["legend"] = first.get_legend() is not None
    metadata.update((name, text[:500]) for name, text in texts.items() if text)
    return metadata
