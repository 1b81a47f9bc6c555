"""The commands in the documents do what they say: each block of bash is run against a server, in a directory like the reader's.

Not run here are blocks of console, with a root's prompt (tests/package runs them in a clean Debian), and lines that call make, whose targets are
looked for instead.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, ROOT

DOCUMENTS = ("README.md", "deploy/OPERATOR.md", "clients/README.md", "CONTRIBUTING.md")  # those of parts are run by the parts' tests
OTHERS = ("FEATURES.md", "deploy/CLUSTER.md", "deploy/container/README.md", "deploy/operations/README.md", "deploy/operations/capacity.md", "deploy/operations/runbook.md", "tests/bench/measured.md",
          "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md", "clients/COMPATIBILITY.md", "clients/examples/README.md", "clients/python/README.md", "web/README.md")
ADDRESS = "127.0.0.1:3003"  # in the documents
EXIT_CODES = {"penny-sandbox doctor": (0, 1)}  # where the machine that tests may be less than perfect
NOTEBOOK = {"cells": [{"cell_type": "code", "source": "6 * 7", "metadata": {}, "outputs": [], "execution_count": None}], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}


def blocks():
    for name in DOCUMENTS:
        for number, code in enumerate(re.findall(r"(?ms)^```(?:bash|sh)\n(.*?)^```", (ROOT / name).read_text())):
            yield pytest.param(code, id=f"{name}-{number}")


@pytest.fixture
def place(tmp_path):
    """What a reader has in his directory."""
    (tmp_path / "build").symlink_to(BUILD)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    (tmp_path / "program.py").write_text("print(open('data.csv').read())\nopen('out.txt', 'w').write('x')\n")
    (tmp_path / "notebook.ipynb").write_text(json.dumps(NOTEBOOK))
    return tmp_path


def runnable(code):
    """The lines that are run; for make only its target is looked for."""
    kept = []
    for line in code.splitlines():
        target = re.match(r"make ([a-z-]+)", line)
        if target:
            assert re.search(rf"(?m)^{target.group(1)}:", (ROOT / "Makefile").read_text() + "".join(p.read_text() for p in (ROOT / "deploy").glob("*.mk"))), line
        else:
            kept.append(line)
    return "\n".join(kept)


@pytest.mark.parametrize("code", list(blocks()))
def test_a_block_of_commands(code, place, server):
    script = runnable(code).replace(ADDRESS, f"127.0.0.1:{server.port}")
    if not script.strip():
        pytest.skip("only calls of make")
    accepted = next((codes for start, codes in EXIT_CODES.items() if script.startswith(start)), (0,))
    env = {"PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(place), "LANG": "C.UTF-8"}
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", script], cwd=place, capture_output=True, text=True, timeout=100, env=env, stdin=subprocess.DEVNULL)
    assert done.returncode in accepted and done.stdout, done
    for line in done.stdout.splitlines():
        assert not re.match(r'\{"(success":false|statusCode)', line), line


def test_there_are_blocks():
    assert len(list(blocks())) >= 8


def test_the_readme_is_read_in_five_minutes():
    """By who reads 250 words a minute and looks at commands, tables and pictures; the rest has pages of its own."""
    text = re.sub(r"(?ms)^```.*?^```|^\|[^\n]*$|!?\[[^]]*\]\([^)]*\.svg\)|\]\([^)]*\)|<!--.*?-->", " ", (ROOT / "README.md").read_text())
    assert len(re.findall(r"\w[\w'/.,:-]*", text)) <= 1250


@pytest.mark.parametrize("name", [*DOCUMENTS, *OTHERS])
def test_links_lead_somewhere(name):
    text = re.sub(r"(?ms)^```.*?^```", "", (ROOT / name).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert ((ROOT / name).parent / target.partition("#")[0]).exists(), target


def test_the_architecture_names_what_there_is():
    """The functions of its walk, and of main.c's, are defined; the files that it names are there."""
    text, main = (ROOT / "ARCHITECTURE.md").read_text(), (ROOT / "server/main.c").read_text()
    folders = ("server", "runtime", "runtime/shared", "runtime/python", "policies")
    files = [p for folder in folders for p in (ROOT / folder).glob("*.*")]
    source = "".join(p.read_text() for p in files if p.suffix == ".c")
    walks = text.partition("## The walk")[2].partition("The Makefile")[0] + main.partition("A cell's way down")[2].partition("So an event")[0]
    functions = re.findall(r"\b[a-z]+(?:_[a-z]+)+\b(?!\.c)", walks)
    assert len(functions) > 25
    for name in functions:
        assert re.search(rf"(?m)^[a-z][\w \*]*\b{name}\(", source), name
    for name in re.findall(r"`([\w*/]+\.(?:c|h|py|json))`", text):
        path = Path(name)
        assert name == "Python.h" or any(p.match(path.name) for p in files), name


def test_one_version(client):
    said = subprocess.run([BUILD / "penny-sandbox", "--version"], capture_output=True, text=True).stdout.split()[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+", said)
    places = {
        "server/version.h": r'PENNY_VERSION "([^"]+)"', "server/openapi.yaml": r"(?m)^  version: (\S+)$", "CHANGELOG.md": r"(?m)^## (\S+)", "clients/typescript/package.json": r'"version": "([^"]+)"',
        "clients/python/src/sandbox_executor/__init__.py": r'__version__ = "([^"]+)"', "web/package.json": r'"version": "([^"]+)"',
        "clients/typescript/package-lock.json": r'"version": "([^"]+)"', "web/package-lock.json": r'"version": "([^"]+)"',
    }
    for name, pattern in places.items():
        assert re.search(pattern, (ROOT / name).read_text()).group(1) == said, name
    assert client.health()["version"] == said
    assert client.get("/openapi.json").json["info"]["version"] == said
    changelog = subprocess.run(["python3", "-B", ROOT / "deploy/deb_changelog.py", ROOT / "CHANGELOG.md"], capture_output=True, text=True, check=True).stdout
    assert changelog.startswith(f"penny-sandbox ({said}) unstable; urgency=medium\n\n  * ")


def test_the_unit_is_well_formed(tmp_path):
    """systemd's own judgement, where systemd is; tests/package starts it."""
    verify = next((p for p in ("/usr/bin/systemd-analyze", "/bin/systemd-analyze") if Path(p).exists()), None)
    if verify is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("penny-sandbox.service", "penny-sandbox.socket"):
        text = (ROOT / "deploy/systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("@BIN@", str(BUILD)).replace("@CONF@", "/etc/penny-sandbox"))
    done = subprocess.run([verify, "verify", "--man=no", tmp_path / "penny-sandbox.service", tmp_path / "penny-sandbox.socket"], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if "penny-sandbox" in line] == [], done.stderr
    done = subprocess.run([verify, "security", "--offline=true", "--threshold=50", tmp_path / "penny-sandbox.service"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:]
