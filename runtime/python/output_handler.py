"""Values shown to the reader: last expressions and display() as MIME bundles."""

import base64
import builtins
import functools
import io
import os

import _penny

from . import charts, late, payload, plots, sandbox_env, values

EVENT_DISPLAY = 67

# One bundle must fit the server's limit of a display event.
TEXT_LIMIT = 1_000_000
BUNDLE_LIMIT = 6_000_000
RESULTS_KEPT = 32

_SCALARS = values.by_identity(int, float, complex, bool, str, bytes, type(Ellipsis), type(NotImplemented), range)
_CONTAINERS = values.by_identity(list, tuple, dict, set, frozenset, bytearray)

_results = {}
_main_pending = False
_shell = None


def start(shell):
    global _shell
    _shell = shell
    builtins.Out = _results
    _penny.set_display(show_result)
    late.after_import("plotly.io", _prepare_plotly)
    late.after_import("PIL.ImageShow", _prepare_pillow)
    late.after_import("PIL.Image", _prepare_saving)


class _Full(Exception):
    pass


class _Limited(io.StringIO):
    """A text that stops growing: pretty-printing into it ends when nobody would read on."""

    def write(self, text):
        room = TEXT_LIMIT - self.tell()
        if len(text) > room:
            super().write(text[:room])
            raise _Full
        return super().write(text)


def _pretty(value):
    from IPython.lib.pretty import RepresentationPrinter

    stream = _Limited()
    try:
        printer = RepresentationPrinter(stream)
        printer.pretty(value)
        printer.flush()
    except _Full:
        stream.seek(0, io.SEEK_END)
        return stream.getvalue() + "..."
    return stream.getvalue()


def _cut(text):
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]}... [{len(text)} characters in all]"


def show_result(value):
    """The value of a cell's last expression."""
    global _main_pending
    kind = id(type(value))
    if kind in _SCALARS:
        _send({"text/plain": _cut(repr(value))}, {}, True)
    elif kind in _CONTAINERS:
        _send({"text/plain": _pretty(value)}, {}, True)
    else:
        _main_pending = True
        try:
            data, metadata = _format(value)
            if data:
                publish(data, metadata)
        finally:
            _main_pending = False
    _remember(value)


def _format(value):
    if plots.is_figure(value):
        is_shown = plots.show_figure(value, is_main=True)
        return {} if is_shown and charts.wanted else {"text/plain": repr(value)}, {}
    data, metadata = _shell.display_formatter.format(value)
    if not data and not hasattr(type(value), "_ipython_display_"):
        data = {"text/plain": object.__repr__(value)}
    return data, metadata


def _remember(value):
    if value is _results:
        return
    names = sandbox_env.builtins_of_user()
    count = _penny.execution_count()
    _results[count] = value
    while len(_results) > RESULTS_KEPT:
        del _results[next(iter(_results))]
    for scope in names:
        scope["___"], scope["__"], scope["_"] = scope.get("__", ""), scope.get("_", ""), value


def forget_results():
    _results.clear()
    for scope in sandbox_env.builtins_of_user():
        for name in ("_", "__", "___"):
            scope.pop(name, None)


def publish(data, metadata=None, transient=None, update=False):
    """What display() and everything that is built on it ends in."""
    global _main_pending
    main, _main_pending = _main_pending, False
    _send({str(mime): _value(mime, value) for mime, value in data.items()}, payload.clean(metadata or {}), main, transient, update)


def _value(mime, value):
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, str):
        return _cut(value) if mime in ("text/plain", "text/markdown", "text/latex") else value
    return payload.clean(value)


def _send(data, metadata, main, transient=None, update=False):
    event = {"data": data, "metadata": metadata, "isMainResult": main}
    name = (transient or {}).get("display_id")
    if name is not None:
        event["displayId"] = str(name)
    if update:
        event["update"] = True
    text = payload.dumps(event)
    while len(text) > BUNDLE_LIMIT and data:
        largest = max(data, key=lambda mime: len(str(data[mime])))
        size = len(str(data.pop(largest)))
        data["text/plain"] = f"{data.get('text/plain', '')[:TEXT_LIMIT]}\n[{largest} of {size} characters is left out: too large]".lstrip()
        text = payload.dumps(event)
    if not _penny.send(EVENT_DISPLAY, text):
        print(data.get("text/plain", ""))  # in a child process, which can do no more than print
    _penny.flush()


def clear_output(wait):
    _penny.send(EVENT_DISPLAY, payload.dumps({"data": {}, "metadata": {}, "isMainResult": False, "clear": True, "wait": bool(wait)}))
    _penny.flush()


def _prepare_plotly(module):
    """plotly's own ways to show want a browser or a notebook; ours is an event with the figure and a page that draws it."""
    from plotly.io._base_renderers import ExternalRenderer

    class Renderer(ExternalRenderer):
        def render(self, figure):
            data = {"application/vnd.plotly.v1+json": figure}
            try:
                data["text/html"] = module.to_html(figure, include_plotlyjs="cdn", full_html=False, validate=False)
            except ValueError:
                pass  # the figure itself is sent nevertheless
            publish(data, {})

    module.renderers["penny"] = Renderer()
    module.renderers.default = "penny"
    module.renderers.render_on_display = True


def _prepare_pillow(module):
    class Viewer(module.Viewer):
        def show(self, image, **options):
            _show_image(image)
            return True

    module.register(Viewer, 0)


def _show_image(image):
    buffer = io.BytesIO()
    (image if image.mode in ("1", "L", "LA", "I", "P", "RGB", "RGBA") else image.convert("RGBA")).save(buffer, "PNG")
    publish({"image/png": buffer.getvalue(), "text/plain": repr(image)}, {})


def _prepare_saving(module):
    """Where data is wanted, a picture saved as a file is shown as well. What matplotlib saves is a plot already."""
    original = module.Image.save

    @functools.wraps(original)
    def save(self, fp, *args, **keywords):
        original(self, fp, *args, **keywords)
        if charts.wanted and isinstance(fp, (str, os.PathLike)) and not plots.is_saving:
            _show_image(self)

    module.Image.save = save
