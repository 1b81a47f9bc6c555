"""numpy's arrays and pandas' tables as the JSON of VariableData (values.py): whole when they are small, else their ends and figures."""

import sys

from . import payload, values

ARRAY_LIMIT = 1000
ROWS_LIMIT, COLUMNS_LIMIT = 100, 20
STATISTICS_LIMIT = 1_000_000


# numpy


def array_scalar(value, detail):
    plain = value.item()
    data = values.describe(plain) if values.known_maker(type(plain)) is not None else values.as_text(value, detail)
    return {**data, "type": values.type_name(value), "dtype": str(value.dtype), "size": value.nbytes}


def array(value, detail):
    import numpy

    count = int(value.size)
    data = values.data_of(
        value, dtype=str(value.dtype), shape=[int(n) for n in value.shape], size=int(value.nbytes), memory_usage=int(value.nbytes), length=count
    )
    if count <= ARRAY_LIMIT:
        shown, whole = array_items(value)
        data.update(value=shown, serializable=whole)
    else:
        head = numpy.asarray(value).reshape(-1)[: values.PREVIEW] if value.flags.c_contiguous else numpy.array(values.first(value.flat, values.PREVIEW))
        data.update(preview=array_items(head)[0], truncated=True, serializable=False)
        if detail or count <= STATISTICS_LIMIT:
            statistics = _statistics(value)
            if statistics:
                data["statistics"] = statistics
    return data


def array_items(value):
    """(nested lists, whether they hold the array truly)."""
    kind = value.dtype.kind
    listed = value.tolist()
    masked = sys.modules.get("numpy.ma")
    if masked is not None and issubclass(type(value), masked.MaskedArray):
        reducer = values.Reducer()
        return _each(listed, reducer.reduce), reducer.whole
    if kind in "bu" or (kind == "i" and value.dtype.itemsize < 8):
        return listed, True
    if kind in "fi":
        return _each(listed, payload.real if kind == "f" else payload.integer), True
    if kind in "US":
        return _each(listed, str), True
    if kind in "mM":
        return _each(value.astype(str).tolist(), str), True
    reducer = values.Reducer()
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


def labels(index, limit):
    return [cell(v) for v in index[:limit].tolist()]


def cell(value):
    """One cell of a table as JSON."""
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return payload.integer(value)
    if kind is float:
        return payload.real(value)
    if values.has(kind, "isoformat"):
        return None if value != value else value.isoformat()
    if values.name_of(kind) in ("NAType", "NaTType"):
        return None
    data = values.describe(value)
    return data["value"] if data.get("serializable") and "value" in data else data.get("repr") or values.short_repr(value)


def _column(series):
    """A column as JSON: what is missing is null, but for floats, in which NaN is a value."""
    cells = [cell(v) for v in series.tolist()]
    if getattr(series.dtype, "kind", "O") in "fc":
        return cells
    return [None if c == "NaN" and m else c for c, m in zip(cells, series.isna().tolist())]


def records(frame, limit=COLUMNS_LIMIT):
    """Rows as objects, made by columns: a row of a mixed frame would be converted cell by cell."""
    names = labels_once([values.key_text(c) for c in frame.columns[:limit].tolist()])
    columns = [_column(frame.iloc[:, i]) for i in range(len(names))]
    return [dict(zip(names, row)) for row in zip(*columns)] if columns else [{} for _ in range(len(frame))]


def labels_once(names):
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


def frame(value, detail):
    rows, columns = value.shape
    small = rows <= ROWS_LIMIT and columns <= COLUMNS_LIMIT
    memory = int(value.memory_usage(index=True).sum())
    names = labels_once([values.key_text(c) for c in value.columns[:values.SEQUENCE_LIMIT].tolist()])
    data = values.data_of(
        value,
        shape=[rows, columns],
        columns=names,
        dtypes={n: str(t) for n, t in zip(names, value.dtypes.iloc[:values.SEQUENCE_LIMIT].tolist())},
        index=labels(value.index, ROWS_LIMIT if small else values.PREVIEW),
        memory_usage=memory,
        size=memory,
        length=rows,
    )
    if small:
        return {**data, "data": records(value), "serializable": True}
    data["head"] = records(value.iloc[:5])
    if rows > 5:
        data["tail"] = records(value.iloc[-5:])
    if detail and rows * columns <= STATISTICS_LIMIT:
        data["describe"] = _describe_frame(value)
    return {**data, "truncated": True, "serializable": False}


def _describe_frame(value):
    numbers = value.select_dtypes("number")
    if not numbers.shape[1]:
        return {}
    table = numbers.iloc[:, :COLUMNS_LIMIT].describe()
    return {values.key_text(c): {str(k): cell(float(v)) for k, v in table.iloc[:, i].items()} for i, c in enumerate(table.columns.tolist())}


def series(value, detail):
    length = len(value)
    memory = int(value.memory_usage(index=True))
    small = length <= ROWS_LIMIT
    data = values.data_of(
        value,
        seriesName=None if value.name is None else values.key_text(value.name),
        dtype=str(value.dtype),
        shape=[length],
        length=length,
        index=labels(value.index, ROWS_LIMIT if small else values.PREVIEW),
        memory_usage=memory,
        size=memory,
    )
    if small:
        return {**data, "data": [cell(v) for v in value.tolist()], "serializable": True}
    data["head"] = [cell(v) for v in value.iloc[:5].tolist()]
    data["tail"] = [cell(v) for v in value.iloc[-5:].tolist()]
    if detail and length <= STATISTICS_LIMIT and value.dtype.kind in "iuf":
        data["describe"] = {str(k): cell(float(v)) for k, v in value.describe().items()}
    return {**data, "truncated": True, "serializable": False}


def index(value, detail):
    length = len(value)
    memory = int(value.memory_usage())
    data = values.data_of(value, dtype=str(value.dtype), shape=[length], length=length, memory_usage=memory, size=memory)
    if length <= ROWS_LIMIT:
        return {**data, "value": labels(value, ROWS_LIMIT), "serializable": True}
    return {**data, "preview": labels(value, values.PREVIEW), "truncated": True, "serializable": False}
