"""One Python value as the JSON of VariableData: bounded in size, strict in syntax, told apart where JSON cannot hold it.

A value that is complete has "serializable": true and "value" (or "data"); one that is cut has "truncated": true and "preview".
"""

import base64
import datetime
import pathlib
import sys
import uuid
from decimal import Decimal
from fractions import Fraction

from . import payload, tables

TEXT_LIMIT = 10_000
SEQUENCE_LIMIT = 100
DICT_LIMIT = 50
PREVIEW = 10
KEYS = 20
REPR_LIMIT = 500
CHILD_TEXT = 1000
DEPTH = 6

_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__name__"].__get__
_names_of = type.__dict__["__dict__"].__get__
_bases_of = type.__dict__["__mro__"].__get__


def by_identity(*kinds):
    """Types that live as long as Python, as a set to ask by id(): a metaclass may have a __hash__ and an __eq__ of its own."""
    return frozenset(map(id, kinds))


# Described without running any code of the user's.
_INSTANT = by_identity(type(None), bool, int, float, complex, str, bytes)
CONTAINERS = by_identity(list, tuple, set, frozenset, dict)


def is_instant(kind):
    return id(kind) in _INSTANT


def has(kind, name):
    """Whether the type, or one of its bases, has the name, without asking its metaclass."""
    return any(name in _names_of(base) for base in _bases_of(kind))


def module_of(kind):
    """Where a type says that it comes from, without asking its metaclass."""
    module = _module_of(kind)
    return module if type(module) is str else "?"


def name_of(kind):
    return str.__str__(_name_of(kind))


_texts = (datetime.date, datetime.time, datetime.timedelta, Decimal, Fraction, uuid.UUID, pathlib.PurePath)


def type_name(value):
    """As in compat: plain for builtins, with the top module's name for a library's."""
    kind = type(value)
    module, name = module_of(kind), name_of(kind)
    top = module.split(".")[0]
    return f"{top}.{name}" if top in ("numpy", "pandas") else name


def describe(value, detail=False):
    """VariableData without a name. Runs the value's own code: call it under a deadline."""
    kind = type(value)
    maker = known_maker(kind) or library_maker(kind)
    if maker is None:
        maker = subclass_maker(kind)
    return maker(value, detail)


def known_maker(kind):
    """For a type of Python's own; None: it is another."""
    return _makers.get(id(kind))


def library_maker(kind):
    top = module_of(kind).partition(".")[0]
    if top == "pandas":
        pandas = sys.modules["pandas"]
        for base, maker in ((pandas.DataFrame, tables.frame), (pandas.Series, tables.series), (pandas.Index, tables.index)):
            if issubclass(kind, base):
                return maker
    elif top == "numpy":
        numpy = sys.modules["numpy"]
        if issubclass(kind, numpy.ndarray):
            return tables.array
        if issubclass(kind, numpy.generic):
            return tables.array_scalar
    return None


def subclass_maker(kind):
    for base in _bases_of(kind)[1:-1]:
        maker = known_maker(base) or library_maker(base)
        if maker is not None:
            return maker
    return opaque


def data_of(value, /, **fields):
    return {"type": type_name(value), **fields}


def _plain(value, detail):
    return data_of(value, value=value, size=sys.getsizeof(value), serializable=True)


def _integer(value, detail):
    number = int(value)
    shown = payload.integer(number)
    data = data_of(value, value=shown, size=sys.getsizeof(number), serializable=True)
    if type(shown) is str:
        data["asText"] = True
        if len(shown) > TEXT_LIMIT:
            data.update(value=shown[:TEXT_LIMIT], length=len(shown), truncated=True, serializable=False)
    return data


def _real(value, detail):
    shown = payload.real(value)
    data = data_of(value, value=shown, size=sys.getsizeof(float(value)), serializable=True)
    if type(shown) is str:
        data["nonFinite"] = True
    return data


def _complex(value, detail):
    parts = {"real": payload.real(value.real), "imag": payload.real(value.imag)}
    return data_of(value, value=complex.__repr__(complex(value)), size=sys.getsizeof(value), serializable=True, **parts)


def _text(value, detail):
    text = str.__str__(value)
    if len(text) <= TEXT_LIMIT:
        return data_of(value, value=text, size=sys.getsizeof(text), serializable=True)
    return data_of(value, value=text[:TEXT_LIMIT], length=len(text), size=sys.getsizeof(text), truncated=True, serializable=False)


def _bytes(value, detail):
    length = len(value)
    head = bytes(value[:CHILD_TEXT])
    data = data_of(value, length=length, size=sys.getsizeof(value), preview=repr(head[:SEQUENCE_LIMIT]))
    if length <= CHILD_TEXT:
        return {**data, "value": base64.b64encode(head).decode(), "encoding": "base64", "serializable": True}
    return {**data, "truncated": True, "serializable": False}


class Reducer:
    """Children of a container as JSON. `whole` turns false when anything was left out or turned into text."""

    def __init__(self):
        self.whole = True
        self.above = []

    def reduce(self, value):
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return payload.integer(value)
        if kind is float:
            return payload.real(value)
        if kind is str:
            if len(value) <= CHILD_TEXT:
                return value
            self.whole = False
            return value[:CHILD_TEXT] + "..."
        if id(kind) in CONTAINERS:
            return self.container(value, kind)
        return self.other(value)

    def container(self, value, kind):
        if any(value is one for one in self.above):
            self.whole = False
            return {"type": kind.__name__, "cycle": True}
        limit = DICT_LIMIT if kind is dict else SEQUENCE_LIMIT
        if len(self.above) >= DEPTH or len(value) > limit:
            return self.summary(value, kind)
        self.above.append(value)
        try:
            if kind is dict:
                return {key_text(k): self.reduce(v) for k, v in list(value.items())}
            return [self.reduce(v) for v in list(value)]
        finally:
            self.above.pop()

    def summary(self, value, kind):
        self.whole = False
        data = {"type": kind.__name__, "length": len(value), "truncated": True}
        if len(self.above) < DEPTH:
            self.above.append(value)
            try:
                data["preview"] = self.preview(value, kind)
            finally:
                self.above.pop()
        return data

    def preview(self, value, kind):
        if kind is dict:
            return {key_text(k): self.reduce(v) for k, v in first(value.items(), PREVIEW)}
        return [self.reduce(v) for v in first(value, PREVIEW)]

    def other(self, value):
        data = describe(value)
        if data.get("serializable") and "value" in data:
            return data["value"]
        self.whole = False
        return data.get("repr") or {k: data[k] for k in ("type", "shape", "length") if k in data}


def first(items, count):
    found = []
    for item in items:
        found.append(item)
        if len(found) == count:
            break
    return found


def key_text(key):
    text = key if type(key) is str else short_repr(key)
    return (text if len(text) <= CHILD_TEXT else text[:CHILD_TEXT] + "...").replace("\0", "\u2400")


def short_repr(value, limit=REPR_LIMIT):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _sequence(value, detail):
    kind = next(k for k in (list, tuple, set, frozenset) if issubclass(type(value), k))
    reducer = Reducer()
    length = kind.__len__(value)
    size = sys.getsizeof(value)
    items = kind.__iter__(value)
    reducer.above.append(value)
    if length <= SEQUENCE_LIMIT:
        shown = [reducer.reduce(v) for v in list(items)]
        data = data_of(value, value=shown, length=length, size=size, serializable=reducer.whole)
        return data if reducer.whole else {**data, "truncated": True}
    shown = [reducer.reduce(v) for v in first(items, PREVIEW)]
    return data_of(value, length=length, preview=shown, truncated=True, size=size, serializable=False)


def _dict(value, detail):
    reducer = Reducer()
    length = dict.__len__(value)
    size = sys.getsizeof(value)
    reducer.above.append(value)
    if length <= DICT_LIMIT:
        shown = {key_text(k): reducer.reduce(v) for k, v in list(dict.items(value))}
        data = data_of(value, value=shown, length=length, size=size, serializable=reducer.whole)
        return data if reducer.whole else {**data, "truncated": True}
    shown = {key_text(k): reducer.reduce(v) for k, v in first(dict.items(value), PREVIEW)}
    keys = [key_text(k) for k in first(dict.keys(value), KEYS)]
    return data_of(value, length=length, preview=shown, keys=keys, truncated=True, size=size, serializable=False)


def as_text(value, detail):
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return data_of(value, value=text, size=sys.getsizeof(value), serializable=True)


def opaque(value, detail):
    kind = type(value)
    return data_of(value, module=module_of(kind), repr=short_repr(value), size=object.__sizeof__(value), serializable=False)


_kinds = {
    type(None): _plain,
    bool: _plain,
    int: _integer,
    float: _real,
    complex: _complex,
    str: _text,
    bytes: _bytes,
    bytearray: _bytes,
    list: _sequence,
    tuple: _sequence,
    set: _sequence,
    frozenset: _sequence,
    dict: _dict,
    **dict.fromkeys(_texts, as_text),
}
_makers = {id(kind): maker for kind, maker in _kinds.items()}
