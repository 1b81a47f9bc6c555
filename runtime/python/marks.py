"""Marks: what a value looks like from outside, to see that it was changed."""

from . import values

SAMPLE = 64
_SIZED = values.by_identity(list, dict, set, bytearray)


def mark(value):
    """Something that differs, with high probability, after a change. It never touches every element of a big object."""
    kind = type(value)
    module = values.module_of(kind)
    if module.partition(".")[0] == "pandas" and hasattr(value, "_mgr"):
        return _mark_blocks(value)
    attributes = getattr(value, "__dict__", None)
    if type(attributes) is not dict:
        return None
    return (len(attributes), *((k, id(v), _mark_inside(v)) for k, v in list(attributes.items())[:SAMPLE]))


def _mark_inside(value):
    return len(value) if id(type(value)) in _SIZED else 0


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
