"""Puts a copy of the sessions' virtual environment where it is to stay: venv_install.py SOURCE DESTINATION FINAL [--links]

A virtual environment has its own path in it. DESTINATION is where the copy is written (below a DESTDIR, perhaps), FINAL where it will be
found. Scripts are given FINAL's interpreter; compiled modules are made valid by the content of their sources and no longer by times, which
packages and copies change. --links makes hard links where it can, in
a second and without 800 MB: for a trial, since both are then the same files.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

LEFT_OUT = {"activate", "activate.csh", "activate.fish", "Activate.ps1", "pip.log"}  # for people; what they say of paths would be wrong
CHECKED_BY_NOTHING = 0b01  # PEP 552: by hash, and not looked at, since nothing writes there


def left_out(directory, names):
    top = Path(directory).name
    return [n for n in names if n.startswith(".made-") or n in LEFT_OUT or (top == "bin" and n == "__pycache__") or (top == "share" and n != "penny")]


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def write(path, data):
    """A new file under the old name: the old one may be somebody's."""
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def set_interpreter(path, final):
    """The first line of a script that pip has written."""
    data = path.read_bytes()
    line, end, rest = data.partition(b"\n")
    if line.startswith(b"#!") and b"/bin/python" in line:
        write(path, b"#!" + f"{final}/bin/python3".encode() + end + rest)


def set_links(directory, python):
    """python -> python3 -> python3.x -> the interpreter that it was made with, by its full name: /usr/bin/python3 may be another one some day."""
    for name, target in ((python.name, str(python)), ("python3", python.name), ("python", "python3")):
        (directory / name).unlink(missing_ok=True)
        (directory / name).symlink_to(target)


def set_home(venv, final):
    lines = (venv / "pyvenv.cfg").read_text().splitlines()
    kept = [line for line in lines if not line.startswith("command")]
    write(venv / "pyvenv.cfg", ("\n".join([*kept, f"command = python3 -m venv {final}"]) + "\n").encode())


def fix_module(path):
    source = path.parent.parent / (path.name.split(".")[0] + ".py")
    data = path.read_bytes()
    if len(data) < 16 or data[:4] != importlib.util.MAGIC_NUMBER or not source.exists():
        path.unlink()
        return
    digest = importlib.util.source_hash(source.read_bytes())
    write(path, data[:4] + CHECKED_BY_NOTHING.to_bytes(4, "little") + digest + data[16:])


def main():
    source, venv, final = (Path(a) for a in sys.argv[1:4])
    links = "--links" in sys.argv
    if venv.exists():
        shutil.rmtree(venv)
    shutil.copytree(source.resolve(), venv, symlinks=True, ignore=left_out, copy_function=link_or_copy if links else shutil.copy2)
    python = Path(os.path.realpath(source / "bin/python"))
    set_links(venv / "bin", python)
    set_home(venv, final)
    for path in (venv / "bin").iterdir():
        if path.is_file() and not path.is_symlink():
            set_interpreter(path, final)
    for path in [] if links else venv.rglob("*.pyc"):  # links keep the times
        fix_module(path)


if __name__ == "__main__":
    main()
