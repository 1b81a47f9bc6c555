"""The Python client as a package: its types, its wheel, every Python that is here."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from harness import BUILD, ROOT

CLIENT = ROOT / "clients" / "python"

SOURCES = sorted((CLIENT / "src").rglob("*.py"))


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=110, **options)


def test_types_are_strict(tmp_path):
    done = run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(BUILD / "mypy"), str(CLIENT / "src"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_syntax_is_python_3_9_s():
    assert len(SOURCES) > 15
    for path in SOURCES:
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))


def test_nothing_but_the_standard_library_is_imported():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "typing_extensions":
                continue  # for the type checker alone, as test_every_python_of_this_machine shows
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert all(name.split(".")[0] in sys.stdlib_module_names for name in names), (path, names)


def pythons():
    """Every Python from 3.9 on: one of each version, of PATH and of pyenv, that can be started."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [*os.environ.get("PATH", "").split(os.pathsep), *(str(p) for p in sorted(versions.glob("*/bin")))]
    found = {}
    for path in (p for place in places if place for p in sorted(Path(place).glob("python3.[0-9]*"))):
        match = re.fullmatch(r"python3\.(\d+)", path.name)
        if match and int(match.group(1)) >= 9 and path.name not in found and starts(path):
            found[path.name] = str(path)
    return found


def starts(path):
    try:
        return run(str(path), "-c", "import ssl, asyncio").returncode == 0
    except OSError:
        return False


PYTHONS = pythons()
PROGRAM = """
import asyncio, sys
from sandbox_executor import *
with SandboxClient(sys.argv[1]) as client:
    assert client.execute("print(1)").stdout == "1"
    with client.create_session() as session:
        with session.stream("print(input())") as stream:
            for event in stream:
                if event.type == "inputRequest": stream.send_input("x")
        assert stream.result().stdout == "x\\n"
async def main():
    async with AsyncSandboxClient(sys.argv[1]) as client:
        assert (await client.execute("print(2)")).stdout == "2"
        assert (await client.stream("3").result()).value == "3"
asyncio.run(main())
print("fine")
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_of_this_machine(server, python):
    done = run(PYTHONS[python], "-W", "error", "-c", PROGRAM, server.url, env={**os.environ, "PYTHONPATH": str(CLIENT / "src"), "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and done.stdout == "fine\n" and done.stderr == "", done


def test_the_wheel(server, tmp_path):
    shutil.copytree(CLIENT, tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    done = run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", str(tmp_path), str(tmp_path / "source"))
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    assert wheel.name.startswith("penny_sandbox_client-") and wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "sandbox_executor/py.typed" in names and {f"sandbox_executor/{p.name}" for p in SOURCES} <= set(names)
    done = run(sys.executable, "-c", PROGRAM, server.url, env={**os.environ, "PYTHONPATH": str(wheel)}, cwd=tmp_path)
    assert done.stdout == "fine\n", done


def test_the_readme_names_every_method():
    import sandbox_executor
    text = (ROOT / "clients/python/README.md").read_text()
    for kind in (sandbox_executor.SandboxClient, sandbox_executor.Session):
        for name in vars(kind):
            assert name.startswith("_") or f"`{name}`" in text or name in ("api", "origin"), name
