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

# Described without running any code of the user's. Compared by identity: a metaclass may have a __hash__ and an __eq__ of its own.
_INSTANT = (type(None), bool, int, float, complex, str, bytes)

_module_of = type.__dict__["__module__"].__get__
_name_of = type.__dict__["__name__"].__get__


def is_instant(kind):
    return any(kind is one for one in _INSTANT)


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
    maker = _makers.get(kind) or _library_maker(kind)
    if maker is None:
        maker = _subclass_maker(kind)
    return maker(value, detail)


def _library_maker(kind):
    top = module_of(kind).partition(".")[0]
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
    return _data(value, module=module_of(kind), repr=short_repr(value), size=object.__sizeof__(value), serializable=False)


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
    masked = sys.modules.get("numpy.ma")
    if masked is not None and issubclass(type(value), masked.MaskedArray):
        reducer = _Reducer()
        return _each(listed, reducer.reduce), reducer.whole
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
    names = _labels_once([_key(c) for c in frame.columns[:limit].tolist()])
    columns = [_column(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(len(frame))]


def _labels_once(names):
    """Of columns with the same label all but the first get a number, so that none is lost."""
    if len(set(names)) == len(names):
        return names
    seen, taken = {}, set(names)
    for i, name in enumerate(names):
        if name in seen:
            while f"{name}.{seen[name]}" in taken:
                seen[name] += 1
            names[i] = f"{name}.{seen[name]}"
            taken.add(names[i])
        else:
            seen[name] = 1
    return names


def _frame(value, detail):
    rows, columns = value.shape
    small = rows <= ROWS_LIMIT and columns <= COLUMNS_LIMIT
    memory = int(value.memory_usage(index=True).sum())
    names = _labels_once([_key(c) for c in value.columns[:SEQUENCE_LIMIT].tolist()])
    data = _data(
        value,
        shape=[rows, columns],
        columns=names,
        dtypes={n: str(t) for n, t in zip(names, value.dtypes.iloc[:SEQUENCE_LIMIT].tolist())},
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
    module = module_of(kind)
    if module.partition(".")[0] == "pandas" and hasattr(value, "_mgr"):
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

PAGE_CELLS = 20_000  # of a table: a wide one shows fewer columns
EXPORT_VALUES = 2_000_000


def page(value, offset, limit):
    """Items offset..offset+limit of a big value."""
    offset, limit = max(0, offset), max(0, min(limit, SEQUENCE_LIMIT * 10))
    kind = type(value)
    maker = _library_maker(kind)
    base = {"offset": offset, "limit": limit}
    if maker is _frame:
        part = value.iloc[offset : offset + limit]
        width = max(1, min(value.shape[1], PAGE_CELLS // max(1, limit)))
        names = {"columns": _labels_once([_key(c) for c in value.columns[:width].tolist()]), "totalColumns": value.shape[1]}
        return {**base, "total": len(value), **names, "index": _labels(part.index, limit), "items": _records(part, width)}
    if maker is _series:
        part = value.iloc[offset : offset + limit]
        return {**base, "total": len(value), "index": _labels(part.index, limit), "items": [_cell(v) for v in part.tolist()]}
    if maker is _array and value.ndim:
        part = value[offset : offset + limit]
        if part.size > PAGE_CELLS * 10:
            raise OverflowError(f"a page of {part.size} elements is too large: ask for fewer than {limit} rows")
        return {**base, "total": len(value), "items": _array_items(part)[0]}
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


def part(value, offset, limit):
    """What a page of the value is, as a value of its kind."""
    kind = type(value)
    maker = _library_maker(kind)
    if maker in (_frame, _series):
        return value.iloc[offset : offset + limit]
    if maker is _index or (maker is _array and value.ndim):
        return value[offset : offset + limit]
    if issubclass(kind, dict):
        return dict(_first(_skip(dict.items(value), offset), limit))
    for base in (list, tuple, set, frozenset, str):
        if issubclass(kind, base):
            return base(_first(_skip(base.__iter__(value), offset), limit)) if base is not str else str.__getitem__(value, slice(offset, offset + limit))
    raise TypeError(f"{type_name(value)} has no pages")


def export(value, form):
    """The whole value in another format: json, csv or pickle. Raises OverflowError when it is too large."""
    if form == "json":
        return {"mime": "application/json", "encoding": "utf-8", "data": _to_json(value)}
    if form == "csv":
        buffer = _LimitedText()
        _to_csv(value, buffer)
        return {"mime": "text/csv", "encoding": "utf-8", "data": buffer.getvalue()}
    if form == "pickle":
        import cloudpickle

        buffer = _LimitedBytes()
        cloudpickle.dump(value, buffer)
        return {"mime": "application/octet-stream", "encoding": "base64", "data": base64.b64encode(buffer.getvalue()).decode()}
    raise ValueError(f"unknown format {form!r}: json, csv or pickle")


def too_large():
    return OverflowError(f"the export is larger than {EXPORT_LIMIT} bytes: write it to a file instead")


class _LimitedText(io.StringIO):
    def write(self, text):
        if self.tell() + len(text) > EXPORT_LIMIT:
            raise too_large()
        return super().write(text)


class _LimitedBytes(io.BytesIO):
    def write(self, data):
        size = data.nbytes if isinstance(data, memoryview) else memoryview(data).nbytes
        if self.tell() + size > EXPORT_LIMIT:
            raise too_large()
        return super().write(data)


def _check_count(count):
    if count > EXPORT_VALUES:
        raise OverflowError(f"{count} values are more than can be exported so: write them to a file instead")


def _to_json(value):
    maker = _library_maker(type(value))
    if maker is _frame:
        _check_count(value.shape[0] * value.shape[1])
        value = _records(value, None)
    elif maker in (_series, _index):
        _check_count(len(value))
        value = [_cell(v) for v in value.tolist()]
    elif maker is _array:
        _check_count(value.size)
        value = _whole_items(value)
    elif type(value) in _texts or (maker is _array_scalar and type(value.item()) not in _makers):
        value = _as_text(value, False)["value"]
    elif issubclass(type(value), str):
        if str.__len__(value) > EXPORT_LIMIT:
            raise too_large()
    else:
        value = payload.clean_whole(_known(value), EXPORT_VALUES)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(text) > EXPORT_LIMIT:
        raise too_large()
    return text


def _known(value):
    """What JSON has no word for is refused; as text it would only seem to be exported."""
    if _subclass_maker(type(value)) is _object and type(value) not in _makers and not hasattr(type(value), "tolist"):
        raise TypeError(f"{type_name(value)} has no form in JSON: use pickle")
    return value


def _whole_items(array):
    items, whole = _array_items(array)
    if not whole:
        items = payload.clean_whole(array.tolist(), EXPORT_VALUES)
    return items


def _to_csv(value, buffer):
    maker = _library_maker(type(value))
    if maker in (_frame, _series):
        value.to_csv(buffer)
        return
    if maker is _array:
        _check_count(value.size)
        rows = value.tolist() if value.ndim else [value.item()]
    elif maker is _index:
        rows = value.tolist()
    elif issubclass(type(value), dict):
        rows = [[k, v] for k, v in dict.items(value)]
    elif issubclass(type(value), (list, tuple, set, frozenset)):
        rows = list(value)
    else:
        raise TypeError(f"{type_name(value)} is no table")
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(row if isinstance(row, (list, tuple)) else row.values() if isinstance(row, dict) else [row])
