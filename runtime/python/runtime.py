"""Cells: what the C side asks Python for. The walk of a plain cell is in host_cell.c and comes here only at its ends."""

import asyncio
import gc
import importlib
import inspect as inspection
import io
import json
import os
import random
import signal
import sys
import tempfile

import _penny

from . import artifacts, charts, errors, late, limits, network, output_handler, packages, plots, sandbox_env, user_input, variables

DEADLINE_SIGNAL = 42

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
    packages.start()
    variables.start(main_module)
    _put_path()
    from . import warm_up

    warm_up.run()
    _penny.set_fresh(_find_generators(), _reseed, _move)
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
    """Every object with random state of its own, wherever a library keeps it, with the address of that state where it is known."""
    kinds = [random.Random]
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        kinds += [numpy.random.RandomState, numpy.random.Generator]
    found = []
    for thing in gc.get_objects():
        if issubclass(type(thing), tuple(kinds)) and not issubclass(type(thing), random.SystemRandom):
            _reseed(thing)
            found.append((thing, 0 if isinstance(thing, random.Random) else _twister(thing)))
    return found


def _twister(generator):
    """The address of a Mersenne Twister of numpy, or 0 when it is another generator or laid out in another way."""
    import ctypes

    bits = _bits(generator)
    if type(bits).__name__ != "MT19937":
        return 0
    address = bits.ctypes.state_address
    state = bits.state["state"]
    words = (ctypes.c_uint32 * 625).from_address(address)
    return address if [*state["key"].tolist(), state["pos"]] == list(words) else 0


def _bits(generator):
    return getattr(generator, "bit_generator", None) or generator._bit_generator


def _reseed(generator):
    """New random state for one generator."""
    if hasattr(generator, "seed"):
        generator.seed()
    else:
        bits = _bits(generator)
        bits.state = type(bits)().state


def _move(home, temporary):
    """In a fork whose HOME and TMPDIR were set after Python had read them."""
    os.environ["HOME"] = home
    os.environ["TMPDIR"] = temporary
    tempfile.tempdir = None


def transform(source):
    """The Python that IPython's syntax in source stands for, or None when it has none."""
    from . import shell

    return shell.transform(source)


def run_async(body, last, names):
    """A cell with top-level await. All cells of a session share one event loop, which runs only here."""
    global _loop
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    task = _loop.create_task(_run_parts(body, last, names))
    try:
        _loop.run_until_complete(task)
    except BaseException:
        if not task.done():
            task.cancel()
            _loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        raise


async def _run_parts(*parts):
    names = parts[-1]
    for code in parts[:-1]:
        if code is not None:
            result = eval(code, names)
            if code.co_flags & inspection.CO_COROUTINE:
                await result


def end_run():
    """After a run that had a setup."""
    charts.wanted = False
    limits.lift()
    network.close_way()
    sandbox_env.restore_environment()
    user_input.give(None)


def setup(payload):
    """REQUEST_SETUP: options of the run that follows. Returns whether its variables are wanted."""
    options = json.loads(payload)
    if "profile" in options:
        sandbox_env.set_profile(options["profile"])
    if "packages" in options:
        packages.put(options["packages"])
    if options.get("reseed"):
        _penny.seed()
    if "plots" in options:
        plots.limits.update(options["plots"])
    charts.wanted = bool(options.get("data"))
    if "uploads" in options:
        artifacts.note(options["uploads"])
    if "network" in options:
        network.open_way(**options["network"])
    if "directory" in options:
        sandbox_env.enter(options["directory"])
    if "envVars" in options:
        sandbox_env.set_environment(options["envVars"])
    if "stdin" in options:
        user_input.give(options["stdin"])
    if "variables" in options:
        variables.set_before_run(options["variables"])
    if "memoryBelow" in options:
        limits.lower(options["memoryBelow"])
    return bool(options.get("includeVariables", True))


def inspect(payload):
    """REQUEST_INSPECT."""
    request = json.loads(payload)
    if request.get("op") == "analyze":
        from . import analyzer

        return analyzer.answer(request)
    if request.get("op") == "catalogue":
        from . import catalogue

        return catalogue.answer()
    if request.get("op") == "packages":
        return packages.answer(request)
    if request.get("op") == "export":
        from . import archive_out

        variables.add_operation("export", archive_out.answer)
    elif request.get("op") == "import":
        from . import archive_in

        variables.add_operation("import", archive_in.answer)
    return variables.inspect(request)


