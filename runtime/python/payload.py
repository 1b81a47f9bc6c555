"""Payloads of events: strict JSON in valid UTF-8, whatever the objects hold."""

import base64
import json
import math

# What a reader with 64-bit integers and doubles takes unchanged.
INTEGER_LIMIT = 2**53
DEPTH_LIMIT = 64
NODE_LIMIT = 200_000

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def dumps(value):
    """Bytes of a JSON text. Values that are made by our own code go through at full speed; what fails is cleaned first."""
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):
        text = _encode(clean(value))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return whole(text).encode()


def whole(text):
    """The text with surrogates joined where they are pairs and replaced where they are not."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def integer(value):
    """An int as JSON can carry it: beyond 2**53 its digits as text."""
    if -INTEGER_LIMIT <= value <= INTEGER_LIMIT:
        return int(value)
    return digits(value)


def digits(value):
    """The digits of an int, as hexadecimal where Python refuses to make decimal ones of so many."""
    try:
        return int.__repr__(int(value))
    except ValueError:
        return hex(value)


def real(value):
    """A float as JSON can carry it."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def clean(value):
    """A copy of any structure in which JSON can be written: bounded, without cycles, with text keys."""
    return _clean(value, DEPTH_LIMIT, _Nodes(NODE_LIMIT))


def clean_whole(value, nodes):
    """As clean, but never with anything left out: raises OverflowError for what is too large, ValueError for what is too deep."""
    return _clean(value, DEPTH_LIMIT, _WholeNodes(nodes))


class _Nodes:
    """How many values may still come."""

    def __init__(self, left):
        self.left = left

    def is_last(self, depth):
        self.left -= 1
        return depth == 0 or self.left <= 0


class _WholeNodes(_Nodes):
    def is_last(self, depth):
        self.left -= 1
        if depth == 0:
            raise ValueError(f"it is nested more than {DEPTH_LIMIT} deep, or holds itself")
        if self.left <= 0:
            raise OverflowError("it holds more values than can be exported so: write it to a file instead")
        return False


def _clean(value, depth, nodes):
    is_last = nodes.is_last(depth)
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, float):
        return real(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if is_last:
        return "..."
    if isinstance(value, dict):
        return {_key(k): _clean(v, depth - 1, nodes) for k, v in value.items() if nodes.left > 0}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_clean(v, depth - 1, nodes) for v in value if nodes.left > 0]
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "shape", None) == ():
        plain = item()
        return _clean(plain, depth - 1, nodes) if isinstance(plain, (bool, int, float, str)) else str(plain)
    listed = getattr(value, "tolist", None)
    return _clean(listed(), depth - 1, nodes) if callable(listed) else str(value)


def _key(key):
    text = key if isinstance(key, str) else str(key)
    return text.replace("\0", "\u2400")
