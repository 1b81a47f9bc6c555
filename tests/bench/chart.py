"""The pictures of a run, made of its JSON alone: the service beside the alternatives and the limits, and how its costs grow."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

from cells import DESCRIBE, INCREMENT, NAMES, PLOT, PRINT  # noqa: E402
from table import contenders, duration, get, megabytes  # noqa: E402

# Colours that can be read on white and on black: README is shown on both, and the picture has no ground of its own.
INK, OURS, LIMIT = "#7d8590", "#2f81f7", "#3fb950"
LIGHT = "#ffadd2"
COLOURS = (OURS, "#58a6ff")  # ours, ours without a pool
OTHERS = ("#d29922", "#db6d28", "#f85149", "#a371f7", "#db61a2", "#8b949e")
STYLE = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
         "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "savefig.transparent": True, "svg.hashsalt": "penny"}


def _save(figure, path):
    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
    return path


def _bars(axes, title, bars, write):
    """Horizontal bars on a logarithmic axis, the smallest first as it came; each with its figure behind it."""
    bars = [b for b in bars if b[1] and b[1] > 0]
    if not bars:
        axes.set_visible(False)
        return
    names, values, colours = zip(*bars)
    axes.barh(names, values, color=colours, height=0.7, log=True)
    for at, value in enumerate(values):
        axes.annotate(write(value), (value, at), (4, 0), textcoords="offset points", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(min(values) / 2, max(values) * 12)
    axes.set_title(title, loc="left", fontsize=9.5)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _panel(found, kind, cell):
    everyone = contenders(found)
    colours = dict(zip([name for name, _ in everyone], (*COLOURS, *OTHERS)))
    return [(name, get(figures, kind, cell, "p50_us"), colours[name]) for name, figures in everyone]


def _limit(found, name, label):
    return [(label, get(found, "limits", name, "p50_us"), LIMIT)]


def beside(found, path):
    """One panel for each cell."""
    everyone = contenders(found)
    bare = get(found, "forks") or []
    memory = [("limit: a bare fork", bare[-1].get("bytes_each"), LIMIT)] if bare else []
    memory += [("Penny Sandbox, idle", get(found, "service", "memory", "idle_bytes"), COLOURS[1])]
    memory += [(name, get(f, "memory_bytes"), colour) for (name, f), colour in zip(everyone, (*COLOURS, *OTHERS))]
    by_c = [("Penny Sandbox, client in C", get(found, "service", "kept", INCREMENT, "p50_us"), OURS)]
    no_waiting = [(f"{name}, no waiting of TCP's", get(f, "acknowledged", "p50_us"), LIGHT) for name, f in everyone if get(f, "acknowledged")]
    panels = [
        (f"new session, {NAMES[PRINT]}", _limit(found, "fork", "limit: a bare fork") + _panel(found, "fresh", PRINT), duration),
        (f"kept session, {NAMES[INCREMENT]}", _limit(found, "ping_1", "limit: bare libevhtp") + by_c + _panel(found, "kept", INCREMENT) + no_waiting, duration),
        (f"new session, {NAMES[DESCRIBE]}", _panel(found, "fresh", DESCRIBE), duration),
        (f"kept session, {NAMES[DESCRIBE]}", _panel(found, "kept", DESCRIBE), duration),
        (f"new session, {NAMES[PLOT]}", _panel(found, "fresh", PLOT), duration),
        ("memory of a session that has imported the libraries", memory, megabytes),
    ]
    figure, grid = plt.subplots(3, 2, figsize=(10, 7.6), layout="constrained")
    for axes, (title, bars, write) in zip(grid.flat, panels):
        _bars(axes, title, bars, write)
    figure.suptitle("Median, logarithmic: shorter is better", x=0.01, ha="left", fontsize=9.5)
    return _save(figure, path)


def _line(axes, steps, of, what, colour, label, style="-o"):
    axes.plot([s[of] for s in steps], [what(s) for s in steps], style, color=colour, label=label, markersize=4)


def _sessions(axes, memory, steps, bare):
    _line(axes, steps, "sessions", lambda s: s["increment"]["p50_us"], OURS, "x += 1, median")
    _line(axes, steps, "sessions", lambda s: s["increment"]["p99_us"], OURS, "x += 1, p99", ":o")
    _line(axes, steps, "sessions", lambda s: s["create"]["p50_us"], OTHERS[0], "create, median")
    if bare:
        _line(axes, bare, "forks", lambda f: f["increment"]["p50_us"], LIMIT, "limit: x += 1 in bare forks", "--o")
    axes.set(xscale="log", yscale="log", xlabel="sessions alive", ylabel="microseconds")
    _line(memory, steps, "sessions", lambda s: s["idle_bytes_each"] / 2**20, OURS, "memory of each")
    if bare and "bytes_each" in bare[0]:
        _line(memory, bare, "forks", lambda f: f["bytes_each"] / 2**20, LIMIT, "a bare fork, after cells", "--o")
    memory.set(xscale="log", xlabel="sessions alive", ylabel="MB", ylim=(0, None))


def _connections(axes, rate, steps, predicted, bare):
    _line(axes, steps, "connections", lambda s: s["p50_us"], OURS, "x += 1, median")
    _line(axes, steps, "connections", lambda s: s["p99_us"], OURS, "x += 1, p99", ":o")
    if bare:
        _line(axes, bare, "connections", lambda s: s["p50_us"], LIMIT, "limit: bare libevhtp, median", "--o")
    axes.set(xscale="log", yscale="log", xlabel="connections at once", ylabel="microseconds")
    _line(rate, steps, "connections", lambda s: s["per_second"], OURS, "measured")
    if predicted:
        _line(rate, predicted, "connections", lambda s: s["per_second"], INK, "the model", "--")
    rate.set(xscale="log", xlabel="connections at once", ylabel="x += 1 a second", ylim=(0, None))


def scale(found, path):
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(10, 6.4), layout="constrained")
    if found["sessions"]:
        _sessions(a, b, found["sessions"], get(found, "forks"))
    if get(found, "concurrency"):
        _connections(c, d, found["concurrency"], get(found, "model", "points"), get(found, "limits", "ping"))
    for axes in (a, b, c, d):
        axes.grid(alpha=0.25, color=INK)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        if axes.lines:
            axes.legend(frameon=False, fontsize=8)
    return _save(figure, path)


def draw(found, directory):
    """Returns the paths of the pictures."""
    with plt.rc_context(STYLE):
        return [beside(found, Path(directory) / "bench.svg"), scale(found, Path(directory) / "bench-scale.svg")]
