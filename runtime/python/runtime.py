"""Cells: what the C side asks Python for. The walk of a plain cell is in host_cell.c and comes here only at its ends."""

import asyncio
import gc
import importlib
import io
import json
import linecache
import os
import random
import signal
import sys
import tempfile
import threading

import _penny

from . import errors, late, output_handler, plots, sandbox_env, user_input, variables

DEADLINE_SIGNAL = 42

# Source lines are kept for tracebacks: of so many cells and characters.
SOURCES_KEPT = 500
SOURCE_CHARACTERS = 16_000_000

_generators = []  # random state that every fork inherits
_sources = {}
_source_characters = 0
_loop = None


def start(preload, imports_json, profile):
    """In the zygote, once: everything that a session shall find done."""
    gc.disable()
    main_module = sys.modules["__main__"]
    _install_streams()
    late.start()
    plots.start()
    for name in preload:
        importlib.import_module(name)
    from . import shell

    output_handler.start(shell.start(main_module))
    errors.start()
    user_input.start()
    signal.signal(DEADLINE_SIGNAL, variables.on_deadline)
    sys.displayhook = _penny.displayhook
    sandbox_env.start(main_module, imports_json, profile)
    variables.start(main_module)
    _put_path()
    from . import warm_up

    warm_up.run()
    _find_generators()
    gc.collect()
    gc.freeze()
    gc.enable()


def _install_streams():
    sys.stdout = sys.__stdout__ = _penny.stdout
    sys.stderr = sys.__stderr__ = _penny.stderr
    io.TextIOBase.register(type(_penny.stdout))
    io.BufferedIOBase.register(type(_penny.stdout.buffer))


def _put_path():
    """Modules in the working directory can be imported, as in any interactive Python."""
    if "" not in sys.path:
        sys.path.insert(0, "")


def _find_generators():
    """Every object with random state of its own, wherever a library keeps it."""
    kinds = [random.Random]
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        kinds += [numpy.RandomState, numpy.Generator]
    for found in gc.get_objects():
        if issubclass(type(found), tuple(kinds)) and not issubclass(type(found), random.SystemRandom):
            _generators.append(found)


def after_fork(home=None, temporary=None):
    """In a worker, before anything else: what the zygote knows of itself, and whatever is random, becomes the session's own."""
    reseed()
    if home is not None and home != os.environ.get("HOME"):
        os.environ["HOME"] = home
    if temporary is not None and temporary != os.environ.get("TMPDIR"):
        os.environ["TMPDIR"] = temporary
        tempfile.tempdir = None


def reseed():
    """Nothing random is shared with another session."""
    for generator in _generators:
        _reseed(generator)
    main = threading.main_thread()
    main._native_id = threading.get_native_id()
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(32)
    tempfile._name_sequence = None
    made = sys.modules.get("uuid")
    if made is not None:
        made._node = made._last_timestamp = None


def _reseed(generator):
    if isinstance(generator, random.Random):
        generator.seed()
        return
    numpy = sys.modules["numpy"]
    if isinstance(generator, numpy.random.RandomState):
        bits = generator._bit_generator
    else:
        bits = generator.bit_generator
    if type(bits).__name__ == "MT19937":
        key = numpy.frombuffer(os.urandom(624 * 4), dtype=numpy.uint32)
        bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": 624}}
    else:
        bits.state = type(bits)().state


def transform(source):
    """The Python that IPython's syntax in source stands for, or None when it has none."""
    from . import shell

    return shell.transform(source)


def remember_source(filename, source):
    """Makes the lines of a cell findable by tracebacks and inspect; the oldest are forgotten."""
    global _source_characters
    lines = source.splitlines(True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"  # traceback counts on it
    linecache.cache[filename] = (len(source), None, lines, filename)
    _sources[filename] = len(source)
    _source_characters += len(source)
    while len(_sources) > 1 and (len(_sources) > SOURCES_KEPT or _source_characters > SOURCE_CHARACTERS):
        oldest = next(iter(_sources))
        _source_characters -= _sources.pop(oldest)
        linecache.cache.pop(oldest, None)


def run_coroutine(coroutine):
    """Top-level await: all cells of a session share one event loop, which runs only here."""
    global _loop
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    task = _loop.create_task(coroutine)
    try:
        return _loop.run_until_complete(task)
    except BaseException:
        if not task.done():
            task.cancel()
            _loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        raise


def begin_cell():
    """Before each cell."""
    plots.begin()
    user_input.restore()


def finish_cell():
    """After each cell, whatever its end: figures left open."""
    plots.flush()


def end_run():
    """After a run that had a setup."""
    sandbox_env.restore_environment()
    user_input.give(None)


def setup(payload):
    """REQUEST_SETUP: options of the run that follows. Returns whether its variables are wanted."""
    options = json.loads(payload)
    if "profile" in options:
        sandbox_env.set_profile(options["profile"])
    if options.get("reseed"):
        reseed()
    if "plots" in options:
        plots.limits.update(options["plots"])
    if "envVars" in options:
        sandbox_env.set_environment(options["envVars"])
    if "stdin" in options:
        user_input.give(options["stdin"])
    if "variables" in options:
        variables.set_before_run(options["variables"])
    return bool(options.get("includeVariables", True))


def inspect(payload):
    """REQUEST_INSPECT."""
    return variables.inspect(json.loads(payload))


