"""What a figure of matplotlib shows, as data: points, bars, slices and boxes with their labels, for those who draw it anew."""

import datetime
import math
import re
import weakref

from . import late, payload

POINTS_MAX = 50_000  # of one figure; a chart of more is left out
TEXT_MAX = 500

wanted = False  # in this run

_boxes = weakref.WeakKeyDictionary()  # axes -> [(statistics of its boxes, whether they lie)]
_UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]")


class _TooMuch(Exception):
    pass


def start():
    late.after_import("matplotlib.axes", _prepare_axes)


def _prepare_axes(module):
    """Where a box began and ended is not to be told from its lines with certainty: what drew them is asked."""
    original = module.Axes.bxp

    def bxp(self, bxpstats, *args, **keywords):
        result = original(self, bxpstats, *args, **keywords)
        lies = keywords.get("orientation") == "horizontal" or keywords.get("vert") is False
        _boxes.setdefault(self, []).append((list(bxpstats), lies))
        return result

    bxp.__doc__ = original.__doc__
    module.Axes.bxp = bxp


def describe(figure):
    """The chart, or None where there is nothing on the figure, or too much. Called after it was drawn: its ticks are final."""
    axes = [a for a in figure.get_axes() if a.has_data() or a in _boxes]
    if not axes:
        return None
    counter = _Counter()
    try:
        charts = [_chart(a, counter) for a in axes]
    except _TooMuch:
        return None
    if len(charts) == 1:
        return charts[0]
    return {"type": "superchart", "title": _text(figure.get_suptitle()), "elements": charts}


class _Counter:
    def __init__(self):
        self.left = POINTS_MAX

    def take(self, count):
        self.left -= count
        if self.left < 0:
            raise _TooMuch


def _chart(axes, counter):
    kind, parts = _kind_and_parts(axes)
    chart = {"type": kind, "title": _text(axes.get_title() or axes.get_title("left") or axes.get_title("right"))}
    if kind == "pie":
        chart["elements"] = [_slice(wedge) for wedge in parts]
    elif kind == "bar":
        bars, lie = _bars(axes, parts, counter)
        chart.update(_labels(axes, lie), elements=bars)
    elif kind == "box_and_whisker":
        boxes, lie = _box_elements(axes, parts, counter)
        chart.update(_labels(axes, lie), elements=boxes)
    elif kind in ("line", "scatter"):
        chart.update(_labels(axes, False), **_axis_of("x", axes.xaxis), **_axis_of("y", axes.yaxis))
        chart["elements"] = [(_line if kind == "line" else _cloud)(part, axes, counter) for part in parts]
    else:
        chart["elements"] = []
    return chart


def _kind_and_parts(axes):
    from matplotlib.collections import PathCollection
    from matplotlib.container import BarContainer
    from matplotlib.patches import Wedge
    from matplotlib.text import Text

    if axes in _boxes:
        return "box_and_whisker", _boxes[axes]
    bars = [c for c in axes.containers if isinstance(c, BarContainer)]
    inside = {id(patch) for c in bars for patch in c.patches}
    if bars and all(id(patch) in inside for patch in axes.patches):
        return "bar", bars
    lines = [line for line in axes.lines if not _is_ruled(line)]
    others = [a for a in axes._children if not isinstance(a, Text) and a not in axes.lines]
    if others and all(isinstance(a, Wedge) for a in others) and not lines:
        return "pie", others
    if others and all(isinstance(a, PathCollection) for a in others) and not lines:
        return "scatter", others
    if lines and not others:
        return "line", lines
    return "unknown", []


def _is_ruled(line):
    """One drawn across, to read values by: axhline, axvline."""
    x, y = line.get_xdata(), line.get_ydata()
    return len(x) == 2 and len(y) == 2 and line.get_transform() != line.axes.transData


# ---- texts and numbers ----


def _text(text):
    return str(text)[:TEXT_MAX] or None


def _unit(label):
    found = _UNIT.search(label or "")
    return (found.group(1) or found.group(2)) if found else None


def _labels(axes, lie):
    """x is where the bars or boxes stand side by side, also where they lie."""
    x, y = _text(axes.get_xlabel()), _text(axes.get_ylabel())
    if lie:
        x, y = y, x
    return {"x_label": x, "y_label": y, "x_unit": _unit(x), "y_unit": _unit(y)}


def _number(value):
    value = float(value)
    return float(f"{value:.10g}") if math.isfinite(value) else None


def _value(value):
    """A coordinate: a number, or a text that says a date or a category. Not a number is None."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat() if value == value else None  # not a time
    if isinstance(value, str):
        return str(value)[:TEXT_MAX]
    if type(value).__name__ == "datetime64":
        return None if value != value else str(value.astype("datetime64[s]"))
    try:
        value = float(value)
    except (TypeError, ValueError):
        return str(value)[:TEXT_MAX]
    return value if math.isfinite(value) else None


# ---- axes ----


def _converter(axis):
    ask = getattr(axis, "get_converter", None)
    return ask() if ask is not None else getattr(axis, "converter", None)


def _has_dates(axis):
    return "Date" in type(_converter(axis)).__name__


def _date(number):
    from matplotlib.dates import num2date

    return num2date(number).replace(tzinfo=None).isoformat()


def _axis_of(name, axis):
    ticks = list(axis.get_ticklocs())[:TEXT_MAX]
    labels = [label.get_text() for label in axis.get_ticklabels()][:TEXT_MAX]
    dates = _has_dates(axis)
    return {
        f"{name}_ticks": [_date(t) if dates else _number(t) for t in ticks],
        f"{name}_tick_labels": labels,
        f"{name}_scale": _scale(axis, dates, ticks, labels),
    }


def _scale(axis, dates, ticks, labels):
    if dates:
        return "datetime"
    scale = axis.get_scale()
    if scale != "linear":
        return scale
    named = bool(ticks) and all(t == i and str(i) != text for i, (t, text) in enumerate(zip(ticks, labels)))
    return "categorical" if named else "linear"


def _reader(axis):
    """What makes a coordinate that has become a number what it was."""
    if _has_dates(axis):
        return _date
    mapping = getattr(getattr(axis, "units", None), "_mapping", None)
    if isinstance(mapping, dict):
        names = {float(number): str(name) for name, number in mapping.items()}
        return lambda number: names.get(float(number), _number(number))
    return _number


# ---- what is drawn ----


def _line(line, axes, counter):
    number = axes.get_lines()[:].index(line)
    xs, ys = line.get_xdata(orig=True), line.get_ydata(orig=True)
    counter.take(len(xs))
    return {"label": _name(line, f"Line {number}"), "points": [[_value(x), _value(y)] for x, y in zip(xs, ys)]}


def _cloud(collection, axes, counter):
    offsets = collection.get_offsets()
    counter.take(len(offsets))
    x_of, y_of = _reader(axes.xaxis), _reader(axes.yaxis)
    points = [[None if math.isnan(x) else x_of(x), None if math.isnan(y) else y_of(y)] for x, y in offsets.filled(math.nan).tolist()]
    return {"label": _name(collection, f"Points {axes.collections[:].index(collection)}"), "points": points}


def _name(artist, otherwise):
    label = str(artist.get_label())
    return otherwise if label.startswith("_") or not label else label[:TEXT_MAX]


def _slice(wedge):
    return {"label": str(wedge.get_label())[:TEXT_MAX], "angle": _number(abs(wedge.theta2 - wedge.theta1)), "radius": _number(wedge.r)}


def _namer(axis):
    """What the ticks call a place on the axis. Ticks that count are no names."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.ticker import FixedLocator

    names = {}
    if isinstance(axis.get_major_locator(), (StrCategoryLocator, FixedLocator)):
        names = {float(t): label.get_text() for t, label in zip(axis.get_ticklocs(), axis.get_ticklabels())}
    read = _reader(axis)

    def name(place, reach):
        nearest = min(names, key=lambda tick: abs(tick - place), default=None)
        if nearest is not None and abs(nearest - place) <= reach and names[nearest]:
            return names[nearest]
        value = read(place)
        return f"{value:g}" if isinstance(value, float) else str(value)

    return name


def _bars(axes, containers, counter):
    lie = all(c.orientation == "horizontal" for c in containers)
    name = _namer(axes.yaxis if lie else axes.xaxis)
    bars = []
    for number, container in enumerate(containers):
        group = _name(container, f"Group {number}")
        counter.take(len(container.patches))
        for patch in container.patches:
            start, width, value = (patch.get_y(), patch.get_height(), patch.get_width()) if lie else (patch.get_x(), patch.get_width(), patch.get_height())
            bars.append({"label": name(start + width / 2, max(0.5, abs(width) * len(containers) / 2)), "group": group, "value": _number(value)})
    return bars, lie


def _box_elements(axes, drawn, counter):
    lie = all(lies for _, lies in drawn)
    axis = axes.yaxis if lie else axes.xaxis
    ticks = [label.get_text() for label in axis.get_ticklabels()]
    boxes = []
    for statistics, _ in drawn:
        for one in statistics:
            outliers = list(one.get("fliers", ()))
            counter.take(1 + len(outliers))
            label = one.get("label")
            place = len(boxes)
            if (label is None or str(label) == str(place + 1)) and place < len(ticks) and ticks[place]:
                label = ticks[place]
            boxes.append(
                {
                    "label": str(label if label is not None else place + 1)[:TEXT_MAX],
                    "min": _number(one["whislo"]),
                    "first_quartile": _number(one["q1"]),
                    "median": _number(one["med"]),
                    "third_quartile": _number(one["q3"]),
                    "max": _number(one["whishi"]),
                    "outliers": [_number(value) for value in outliers],
                }
            )
    return boxes, lie


# ---- tables ----

COLUMNS = "application/vnd.penny.columns+json"
CELLS_MAX = 200_000


def columns(value):
    """A pandas DataFrame as {column: [values]}; None for anything else, and for what is too large."""
    if type(value).__module__.partition(".")[0] != "pandas" or type(value).__name__ != "DataFrame" or value.size > CELLS_MAX:
        return None
    return {str(name): [_cell(cell) for cell in value.iloc[:, place].tolist()] for place, name in enumerate(value.columns)}


def _cell(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return payload.integer(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (datetime.date, datetime.time)):
        return None if value != value else value.isoformat()
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    return payload.clean(value) if isinstance(value, (list, tuple, dict)) else str(value)
