"""One Python value as the JSON of VariableData: bounded in size, strict in syntax, told apart where JSON cannot hold it.

A value that is complete has "serializable": true and "value" (or "data"); one that is cut has "truncated": true and "preview".
"""

import base64
import csv
import datetime
import io
import json
import pathlib
import sys
import uuid
from decimal import Decimal
from fractions import Fraction

from . import payload

TEXT_LIMIT = 10_000
SEQUENCE_LIMIT = 100
DICT_LIMIT = 50
PREVIEW = 10
KEYS = 20
ARRAY_LIMIT = 1000
ROWS_LIMIT, COLUMNS_LIMIT = 100, 20
REPR_LIMIT = 500
CHILD_TEXT = 1000
DEPTH = 6
STATISTICS_LIMIT = 1_000_000
SAMPLE = 64
EXPORT_LIMIT = 8_000_000

# Described without running any code of the user's.
INSTANT = frozenset({type(None), bool, int, float, complex, str, bytes})

_texts = (datetime.date, datetime.time, datetime.timedelta, Decimal, Fraction, uuid.UUID, pathlib.PurePath)


def type_name(value):
    """As in compat: plain for builtins, with the top module's name for a library's."""
    kind = type(value)
    module = kind.__module__
    if module in ("builtins", "__main__"):
        return kind.__name__
    top = module.split(".")[0] if isinstance(module, str) else "?"
    return f"{top}.{kind.__name__}" if top in ("numpy", "pandas") else kind.__name__


def describe(value, detail=False):
    """VariableData without a name. Runs the value's own code: call it under a deadline."""
    kind = type(value)
    maker = _makers.get(kind) or _library_maker(kind)
    if maker is None:
        maker = _subclass_maker(kind)
    return maker(value, detail)


def _library_maker(kind):
    module = kind.__module__
    top = module.partition(".")[0] if isinstance(module, str) else ""
    if top == "pandas":
        pandas = sys.modules["pandas"]
        for base, maker in ((pandas.DataFrame, _frame), (pandas.Series, _series), (pandas.Index, _index)):
            if issubclass(kind, base):
                return maker
    elif top == "numpy":
        numpy = sys.modules["numpy"]
        if issubclass(kind, numpy.ndarray):
            return _array
        if issubclass(kind, numpy.generic):
            return _array_scalar
    return None


def _subclass_maker(kind):
    for base in kind.__mro__[1:-1]:
        maker = _makers.get(base) or _library_maker(base)
        if maker is not None:
            return maker
    return _object


def _data(value, /, **fields):
    return {"type": type_name(value), **fields}


def _plain(value, detail):
    return _data(value, value=value, size=sys.getsizeof(value), serializable=True)


def _integer(value, detail):
    number = int(value)
    shown = payload.integer(number)
    data = _data(value, value=shown, size=sys.getsizeof(number), serializable=True)
    if type(shown) is str:
        data["asText"] = True
        if len(shown) > TEXT_LIMIT:
            data.update(value=shown[:TEXT_LIMIT], length=len(shown), truncated=True, serializable=False)
    return data


def _real(value, detail):
    shown = payload.real(value)
    data = _data(value, value=shown, size=sys.getsizeof(float(value)), serializable=True)
    if type(shown) is str:
        data["nonFinite"] = True
    return data


def _complex(value, detail):
    parts = {"real": payload.real(value.real), "imag": payload.real(value.imag)}
    return _data(value, value=complex.__repr__(complex(value)), size=sys.getsizeof(value), serializable=True, **parts)


def _text(value, detail):
    text = str.__str__(value)
    if len(text) <= TEXT_LIMIT:
        return _data(value, value=text, size=sys.getsizeof(text), serializable=True)
    return _data(value, value=text[:TEXT_LIMIT], length=len(text), size=sys.getsizeof(text), truncated=True, serializable=False)


def _bytes(value, detail):
    length = len(value)
    head = bytes(value[:CHILD_TEXT])
    data = _data(value, length=length, size=sys.getsizeof(value), preview=repr(head[:SEQUENCE_LIMIT]))
    if length <= CHILD_TEXT:
        return {**data, "value": base64.b64encode(head).decode(), "encoding": "base64", "serializable": True}
    return {**data, "truncated": True, "serializable": False}


class _Reducer:
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
        if kind in (list, tuple, set, frozenset, dict):
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
                return {_key(k): self.reduce(v) for k, v in list(value.items())}
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
            return {_key(k): self.reduce(v) for k, v in _first(value.items(), PREVIEW)}
        return [self.reduce(v) for v in _first(value, PREVIEW)]

    def other(self, value):
        data = describe(value)
        if data.get("serializable") and "value" in data:
            return data["value"]
        self.whole = False
        return data.get("repr") or {k: data[k] for k in ("type", "shape", "length") if k in data}


def _first(items, count):
    found = []
    for item in items:
        found.append(item)
        if len(found) == count:
            break
    return found


def _key(key):
    text = key if type(key) is str else short_repr(key)
    return (text if len(text) <= CHILD_TEXT else text[:CHILD_TEXT] + "...").replace("\0", "\u2400")


def short_repr(value, limit=REPR_LIMIT):
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def _sequence(value, detail):
    kind = next(k for k in (list, tuple, set, frozenset) if issubclass(type(value), k))
    reducer = _Reducer()
    length = kind.__len__(value)
    size = sys.getsizeof(value)
    items = kind.__iter__(value)
    reducer.above.append(value)
    if length <= SEQUENCE_LIMIT:
        shown = [reducer.reduce(v) for v in list(items)]
        data = _data(value, value=shown, length=length, size=size, serializable=reducer.whole)
        return data if reducer.whole else {**data, "truncated": True}
    shown = [reducer.reduce(v) for v in _first(items, PREVIEW)]
    return _data(value, length=length, preview=shown, truncated=True, size=size, serializable=False)


def _dict(value, detail):
    reducer = _Reducer()
    length = dict.__len__(value)
    size = sys.getsizeof(value)
    reducer.above.append(value)
    if length <= DICT_LIMIT:
        shown = {_key(k): reducer.reduce(v) for k, v in list(dict.items(value))}
        data = _data(value, value=shown, length=length, size=size, serializable=reducer.whole)
        return data if reducer.whole else {**data, "truncated": True}
    shown = {_key(k): reducer.reduce(v) for k, v in _first(dict.items(value), PREVIEW)}
    keys = [_key(k) for k in _first(dict.keys(value), KEYS)]
    return _data(value, length=length, preview=shown, keys=keys, truncated=True, size=size, serializable=False)


def _as_text(value, detail):
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return _data(value, value=text, size=sys.getsizeof(value), serializable=True)


def _object(value, detail):
    kind = type(value)
    return _data(value, module=str(kind.__module__), repr=short_repr(value), size=object.__sizeof__(value), serializable=False)


# numpy


def _array_scalar(value, detail):
    plain = value.item()
    data = describe(plain) if type(plain) in _makers else _as_text(value, detail)
    return {**data, "type": type_name(value), "dtype": str(value.dtype), "size": value.nbytes}


def _array(value, detail):
    import numpy

    count = int(value.size)
    data = _data(
        value, dtype=str(value.dtype), shape=[int(n) for n in value.shape], size=int(value.nbytes), memory_usage=int(value.nbytes), length=count
    )
    if count <= ARRAY_LIMIT:
        shown, whole = _array_items(value)
        data.update(value=shown, serializable=whole)
    else:
        head = numpy.asarray(value).reshape(-1)[:PREVIEW] if value.flags.c_contiguous else numpy.array(_first(value.flat, PREVIEW))
        data.update(preview=_array_items(head)[0], truncated=True, serializable=False)
        if detail or count <= STATISTICS_LIMIT:
            statistics = _statistics(value)
            if statistics:
                data["statistics"] = statistics
    return data


def _array_items(value):
    """(nested lists, whether they hold the array truly)."""
    kind = value.dtype.kind
    listed = value.tolist()
    if kind in "bu" or (kind == "i" and value.dtype.itemsize < 8):
        return listed, True
    if kind in "fi":
        return _each(listed, payload.real if kind == "f" else payload.integer), True
    if kind in "US":
        return _each(listed, str), True
    if kind in "mM":
        return _each(value.astype(str).tolist(), str), True
    reducer = _Reducer()
    return _each(listed, reducer.reduce), reducer.whole


def _each(nested, function):
    return [_each(n, function) for n in nested] if type(nested) is list else function(nested)


def _statistics(value):
    import numpy

    if value.dtype.kind not in "biuf":
        return None
    sample = numpy.asarray(value)
    step = -(-sample.size // STATISTICS_LIMIT)
    if step > 1:
        sample = sample.reshape(-1)[::step] if sample.flags.c_contiguous else sample[:: -(-len(sample) // 1000)]
    with numpy.errstate(all="ignore"):
        numbers = {name: payload.real(float(getattr(sample, name)())) for name in ("min", "max", "mean", "std")}
    return {**numbers, "sampled": int(sample.size)} if step > 1 else numbers


# pandas


def _labels(index, limit):
    return [_cell(v) for v in index[:limit].tolist()]


def _cell(value):
    """One cell of a table as JSON."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return payload.integer(value)
    if kind is float:
        return payload.real(value)
    if hasattr(kind, "isoformat"):
        return None if value != value else value.isoformat()
    if kind.__name__ in ("NAType", "NaTType"):
        return None
    data = describe(value)
    return data["value"] if data.get("serializable") and "value" in data else data.get("repr") or short_repr(value)


def _column(series):
    """A column as JSON: what is missing is null, but for floats, in which NaN is a value."""
    cells = [_cell(v) for v in series.tolist()]
    if getattr(series.dtype, "kind", "O") in "fc":
        return cells
    return [None if c == "NaN" and m else c for c, m in zip(cells, series.isna().tolist())]


def _records(frame, limit=COLUMNS_LIMIT):
    """Rows as objects, made by columns: a row of a mixed frame would be converted cell by cell."""
    names = [_key(c) for c in frame.columns[:limit].tolist()]
    columns = [_column(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(len(frame))]


def _frame(value, detail):
    rows, columns = value.shape
    small = rows <= ROWS_LIMIT and columns <= COLUMNS_LIMIT
    memory = int(value.memory_usage(index=True).sum())
    data = _data(
        value,
        shape=[rows, columns],
        columns=[_key(c) for c in value.columns[:SEQUENCE_LIMIT].tolist()],
        dtypes={_key(c): str(t) for c, t in zip(value.columns[:SEQUENCE_LIMIT].tolist(), value.dtypes.iloc[:SEQUENCE_LIMIT].tolist())},
        index=_labels(value.index, ROWS_LIMIT if small else PREVIEW),
        memory_usage=memory,
        size=memory,
        length=rows,
    )
    if small:
        return {**data, "data": _records(value), "serializable": True}
    data["head"] = _records(value.iloc[:5])
    if rows > 5:
        data["tail"] = _records(value.iloc[-5:])
    if detail and rows * columns <= STATISTICS_LIMIT:
        data["describe"] = _describe_frame(value)
    return {**data, "truncated": True, "serializable": False}


def _describe_frame(value):
    numbers = value.select_dtypes("number")
    if not numbers.shape[1]:
        return {}
    table = numbers.iloc[:, :COLUMNS_LIMIT].describe()
    return {_key(c): {str(k): _cell(float(v)) for k, v in table.iloc[:, i].items()} for i, c in enumerate(table.columns.tolist())}


def _series(value, detail):
    length = len(value)
    memory = int(value.memory_usage(index=True))
    small = length <= ROWS_LIMIT
    data = _data(
        value,
        seriesName=None if value.name is None else _key(value.name),
        dtype=str(value.dtype),
        shape=[length],
        length=length,
        index=_labels(value.index, ROWS_LIMIT if small else PREVIEW),
        memory_usage=memory,
        size=memory,
    )
    if small:
        return {**data, "data": [_cell(v) for v in value.tolist()], "serializable": True}
    data["head"] = [_cell(v) for v in value.iloc[:5].tolist()]
    data["tail"] = [_cell(v) for v in value.iloc[-5:].tolist()]
    if detail and length <= STATISTICS_LIMIT and value.dtype.kind in "iuf":
        data["describe"] = {str(k): _cell(float(v)) for k, v in value.describe().items()}
    return {**data, "truncated": True, "serializable": False}


def _index(value, detail):
    length = len(value)
    memory = int(value.memory_usage())
    data = _data(value, dtype=str(value.dtype), shape=[length], length=length, memory_usage=memory, size=memory)
    if length <= ROWS_LIMIT:
        return {**data, "value": _labels(value, ROWS_LIMIT), "serializable": True}
    return {**data, "preview": _labels(value, PREVIEW), "truncated": True, "serializable": False}


_makers = {
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
    **dict.fromkeys(_texts, _as_text),
}


# Marks: what a value looks like from outside, to see that it was changed.


def mark(value):
    """Something that differs, with high probability, after a change. It never touches every element of a big object."""
    kind = type(value)
    module = kind.__module__
    if isinstance(module, str) and module.partition(".")[0] == "pandas" and hasattr(value, "_mgr"):
        return _mark_blocks(value)
    attributes = getattr(value, "__dict__", None)
    if type(attributes) is not dict:
        return None
    return (len(attributes), *((k, id(v), _mark_inside(v)) for k, v in list(attributes.items())[:SAMPLE]))


def _mark_inside(value):
    kind = type(value)
    return len(value) if kind in (list, dict, set, bytearray) else 0


def _mark_blocks(value):
    manager = value._mgr
    return (value.shape, *(id(axis) for axis in manager.axes), *(_mark_array(block.values) for block in manager.blocks[:SAMPLE]))


def _mark_array(array):
    import numpy

    if type(array) is not numpy.ndarray:
        return id(array)
    flat = array.ravel(order="K") if array.flags.forc else array
    step = max(1, flat.shape[0] // SAMPLE) if flat.ndim else 1
    sample = flat[::step] if flat.ndim == 1 else flat
    if array.dtype.kind == "O":
        return (id(array), tuple(id(v) for v in sample[:SAMPLE].tolist()) if sample.ndim == 1 else 0)
    return (array.ctypes.data, sample.tobytes() if sample.nbytes <= 4096 else 0)


# Pages and exports


def page(value, offset, limit):
    """Items offset..offset+limit of a big value."""
    offset, limit = max(0, offset), max(0, min(limit, SEQUENCE_LIMIT * 10))
    kind = type(value)
    maker = _library_maker(kind)
    base = {"offset": offset, "limit": limit}
    if maker is _frame:
        part = value.iloc[offset : offset + limit]
        return {**base, "total": len(value), "index": _labels(part.index, limit), "items": _records(part)}
    if maker is _series:
        part = value.iloc[offset : offset + limit]
        return {**base, "total": len(value), "index": _labels(part.index, limit), "items": [_cell(v) for v in part.tolist()]}
    if maker is _array and value.ndim:
        return {**base, "total": len(value), "items": _array_items(value[offset : offset + limit])[0]}
    if maker is _index:
        return {**base, "total": len(value), "items": _labels(value[offset : offset + limit], limit)}
    reducer = _Reducer()
    if issubclass(kind, dict):
        part = _first(_skip(dict.items(value), offset), limit) if limit else []
        return {**base, "total": dict.__len__(value), "items": [[_key(k), reducer.reduce(v)] for k, v in part]}
    if issubclass(kind, str):
        return {**base, "total": len(value), "items": str.__getitem__(value, slice(offset, offset + limit))}
    for base_kind in (list, tuple, set, frozenset):
        if issubclass(kind, base_kind):
            part = _first(_skip(base_kind.__iter__(value), offset), limit) if limit else []
            return {**base, "total": base_kind.__len__(value), "items": [reducer.reduce(v) for v in part]}
    raise TypeError(f"{type_name(value)} has no pages")


def _skip(items, count):
    iterator = iter(items)
    for _ in range(count):
        if next(iterator, iterator) is iterator:
            break
    return iterator


def export(value, form):
    """The whole value in another format: json, csv or pickle."""
    if form == "json":
        text, mime = _to_json(value), "application/json"
    elif form == "csv":
        text, mime = _to_csv(value), "text/csv"
    elif form == "pickle":
        import cloudpickle

        data = cloudpickle.dumps(value)
        return _within({"mime": "application/octet-stream", "encoding": "base64", "data": base64.b64encode(data).decode()})
    else:
        raise ValueError(f"unknown format {form!r}: json, csv or pickle")
    return _within({"mime": mime, "encoding": "utf-8", "data": text})


def _within(answer):
    if len(answer["data"]) > EXPORT_LIMIT:
        raise ValueError(f"the export is larger than {EXPORT_LIMIT} bytes: write it to a file instead")
    return answer


def _to_json(value):
    maker = _library_maker(type(value))
    if maker is _frame:
        value = _records(value, None)
    elif maker in (_series, _index):
        value = [_cell(v) for v in value.tolist()]
    elif maker is _array:
        value = _array_items(value)[0]
    else:
        value = payload.clean(value)
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _to_csv(value):
    maker = _library_maker(type(value))
    if maker in (_frame, _series):
        return value.to_csv()
    if maker is _array:
        rows = value.tolist() if value.ndim else [value.item()]
    elif issubclass(type(value), dict):
        rows = [[k, v] for k, v in dict.items(value)]
    elif issubclass(type(value), (list, tuple, set, frozenset)):
        rows = list(value)
    else:
        raise TypeError(f"{type_name(value)} is no table")
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(row if isinstance(row, (list, tuple)) else row.values() if isinstance(row, dict) else [row])
    return buffer.getvalue()
