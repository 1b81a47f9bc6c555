"""What a cell's error is to its reader: type, message, a traceback of the user's code, and the line."""

import json
import traceback


def describe(kind, value, trace):
    """Returns (status, JSON bytes or None) of EVENT_DONE for an exception that ended a cell."""
    if issubclass(kind, SystemExit) and value.code in (None, 0):
        return "ok", None
    status = "interrupted" if issubclass(kind, KeyboardInterrupt) else "error"
    text = "".join(traceback.format_exception(kind, value, trace))
    return status, json.dumps({"type": kind.__name__, "message": str(value), "traceback": text}).encode()
