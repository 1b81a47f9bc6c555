"""What an error is to its reader: type, message, a traceback of the user's code and none of ours, and the line."""

import os
import traceback

import _penny

from . import import_hook, payload

MESSAGE_LIMIT = 8_000
TRACEBACK_LIMIT = 30_000

_own = os.path.dirname(os.path.abspath(__file__)) + os.sep
_machinery = (_own,)


def start():
    """Frames of IPython stand between user code and user code; its readers do not want them."""
    global _machinery
    import IPython

    _machinery = (_own, os.path.dirname(IPython.__file__) + os.sep)


def describe(kind, value, trace):
    """Returns (status, JSON bytes or None) of EVENT_DONE for an exception that ended a cell."""
    if issubclass(kind, SystemExit) and value.code in (None, 0):
        return "ok", None
    status = "error"
    if issubclass(kind, KeyboardInterrupt):
        status = "interrupted"
    elif issubclass(kind, import_hook.PolicyViolation):
        status = "rejected"
    elif issubclass(kind, MemoryError) and trace is not None:  # without a frame it is the parser's word for too deep
        status = "memory"
    error = {"type": kind.__name__, "message": _message(value), "traceback": text_of(kind, value, trace)}
    error.update(_position(kind, value, trace))
    return status, payload.dumps(error)


def _message(value):
    try:
        text = str(value)
    except Exception:
        return "<exception str() failed>"
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."


def text_of(kind, value, trace):
    """The traceback as Python prints it."""
    summary = traceback.TracebackException(kind, value, trace, compact=True)
    _strip(summary, set())
    text = "".join(summary.format())
    if len(text) > TRACEBACK_LIMIT:
        half = TRACEBACK_LIMIT // 2
        text = text[:half] + "\n  ...\n" + text[-half:]
    return text


def _strip(summary, seen):
    """Takes out the frames that are not the user's business, in all exceptions of a chain."""
    if summary is None or id(summary) in seen:
        return
    seen.add(id(summary))
    frames = summary.stack
    first = next((i for i, frame in enumerate(frames) if is_cell(frame.filename)), 0)
    summary.stack[:] = [f for f in frames[first:] if not f.filename.startswith(_machinery)]
    for other in (summary.__cause__, summary.__context__, *(summary.exceptions or ())):
        _strip(other, seen)
    if not summary.stack and issubclass(summary.exc_type, SyntaxError):
        summary.stack = None


def is_cell(filename):
    return filename.startswith("<cell ")


def _position(kind, value, trace):
    """The line of the user's code in which it happened: of this cell if it can be, else of an earlier one."""
    name = f"<cell {_penny.execution_count()}>"
    if issubclass(kind, SyntaxError) and value.lineno is not None and value.filename == name:
        return {"line": value.lineno} if value.offset is None else {"line": value.lineno, "column": value.offset}
    if issubclass(kind, import_hook.PolicyViolation) and type(getattr(value, "lineno", None)) is int:
        return {"line": value.lineno}
    here = anywhere = None
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if filename == name:
            here = trace.tb_lineno
        if is_cell(filename):
            anywhere = trace.tb_lineno
        trace = trace.tb_next
    line = here if here is not None else anywhere
    return {} if line is None else {"line": line}
