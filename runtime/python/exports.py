"""Parts of a value, page by page, and the whole of it in other formats."""

import base64
import csv
import io
import json

from . import payload, tables, values

EXPORT_LIMIT = 8_000_000
PAGE_CELLS = 20_000  # of a table: a wide one shows fewer columns
EXPORT_VALUES = 2_000_000


def page(value, offset, limit):
    """Items offset..offset+limit of a big value."""
    offset, limit = max(0, offset), max(0, min(limit, values.SEQUENCE_LIMIT * 10))
    kind = type(value)
    maker = values.library_maker(kind)
    base = {"offset": offset, "limit": limit}
    if maker is tables.frame:
        part = value.iloc[offset : offset + limit]
        width = max(1, min(value.shape[1], PAGE_CELLS // max(1, limit)))
        names = {"columns": tables.labels_once([values.key_text(c) for c in value.columns[:width].tolist()]), "totalColumns": value.shape[1]}
        return {**base, "total": len(value), **names, "index": tables.labels(part.index, limit), "items": tables.records(part, width)}
    if maker is tables.series:
        part = value.iloc[offset : offset + limit]
        return {**base, "total": len(value), "index": tables.labels(part.index, limit), "items": [tables.cell(v) for v in part.tolist()]}
    if maker is tables.array and value.ndim:
        part = value[offset : offset + limit]
        if part.size > PAGE_CELLS * 10:
            raise OverflowError(f"a page of {part.size} elements is too large: ask for fewer than {limit} rows")
        return {**base, "total": len(value), "items": tables.array_items(part)[0]}
    if maker is tables.index:
        return {**base, "total": len(value), "items": tables.labels(value[offset : offset + limit], limit)}
    reducer = values.Reducer()
    if issubclass(kind, dict):
        part = values.first(_skip(dict.items(value), offset), limit) if limit else []
        return {**base, "total": dict.__len__(value), "items": [[values.key_text(k), reducer.reduce(v)] for k, v in part]}
    if issubclass(kind, str):
        return {**base, "total": len(value), "items": str.__getitem__(value, slice(offset, offset + limit))}
    for base_kind in (list, tuple, set, frozenset):
        if issubclass(kind, base_kind):
            part = values.first(_skip(base_kind.__iter__(value), offset), limit) if limit else []
            return {**base, "total": base_kind.__len__(value), "items": [reducer.reduce(v) for v in part]}
    raise TypeError(f"{values.type_name(value)} has no pages")


def _skip(items, count):
    iterator = iter(items)
    for _ in range(count):
        if next(iterator, iterator) is iterator:
            break
    return iterator


def part(value, offset, limit):
    """What a page of the value is, as a value of its kind."""
    kind = type(value)
    maker = values.library_maker(kind)
    if maker in (tables.frame, tables.series):
        return value.iloc[offset : offset + limit]
    if maker is tables.index or (maker is tables.array and value.ndim):
        return value[offset : offset + limit]
    if issubclass(kind, dict):
        return dict(values.first(_skip(dict.items(value), offset), limit))
    for base in (list, tuple, set, frozenset, str):
        if issubclass(kind, base):
            return base(values.first(_skip(base.__iter__(value), offset), limit)) if base is not str else str.__getitem__(value, slice(offset, offset + limit))
    raise TypeError(f"{values.type_name(value)} has no pages")


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
    maker = values.library_maker(type(value))
    if maker is tables.frame:
        _check_count(value.shape[0] * value.shape[1])
        value = tables.records(value, None)
    elif maker in (tables.series, tables.index):
        _check_count(len(value))
        value = [tables.cell(v) for v in value.tolist()]
    elif maker is tables.array:
        _check_count(value.size)
        value = _whole_items(value)
    elif values.known_maker(type(value)) is values.as_text or (maker is tables.array_scalar and values.known_maker(type(value.item())) is None):
        value = values.as_text(value, False)["value"]
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
    kind = type(value)
    if values.subclass_maker(kind) is values.opaque and values.known_maker(kind) is None and not values.has(kind, "tolist"):
        raise TypeError(f"{values.type_name(value)} has no form in JSON: use pickle")
    return value


def _whole_items(array):
    items, whole = tables.array_items(array)
    if not whole:
        items = payload.clean_whole(array.tolist(), EXPORT_VALUES)
    return items


def _to_csv(value, buffer):
    maker = values.library_maker(type(value))
    if maker in (tables.frame, tables.series):
        value.to_csv(buffer)
        return
    if maker is tables.array:
        _check_count(value.size)
        rows = value.tolist() if value.ndim else [value.item()]
    elif maker is tables.index:
        rows = value.tolist()
    elif issubclass(type(value), dict):
        rows = [[k, v] for k, v in dict.items(value)]
    elif issubclass(type(value), (list, tuple, set, frozenset)):
        rows = list(value)
    else:
        raise TypeError(f"{values.type_name(value)} is no table")
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow(row if isinstance(row, (list, tuple)) else row.values() if isinstance(row, dict) else [row])
