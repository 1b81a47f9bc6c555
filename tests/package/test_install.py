"""make install in a PREFIX, libraries and all: really run from there, upgraded over changed policies, and taken away again."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, ROOT, processes, tier_reason, until

pytestmark = pytest.mark.skipif(BUILD != ROOT / "build", reason="what is installed is what make build has made")
PROGRAM_FILES = ("bin/penny-sandbox", "lib/penny-sandbox/penny-zygote", "lib/penny-sandbox/venv/bin/python", "share/penny-sandbox/python/runtime.py",
                 "share/penny-sandbox/policies/resources.json", "etc/penny-sandbox/policies/resources.json", "etc/penny-sandbox/environment",
                 "lib/systemd/system/penny-sandbox.service", "lib/systemd/system/penny-sandbox.socket", "lib/sysusers.d/penny-sandbox.conf",
                 "share/man/man1/penny-sandbox.1", "share/man/man5/penny-sandbox-environment.5", "share/man/man5/penny-sandbox-policies.5",
                 "share/bash-completion/completions/penny-sandbox", "share/zsh/vendor-completions/_penny-sandbox",
                 "share/fish/vendor_completions.d/penny-sandbox.fish")


def make(target, **variables):
    done = subprocess.run(["make", "-C", str(ROOT), target, *(f"{k}={v}" for k, v in variables.items())], capture_output=True, text=True, timeout=300,
                          env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(directory):
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if not p.is_dir() or p.is_symlink()}


@pytest.fixture(scope="module")
def prefix(workplace):
    """Installed once; the libraries as links to those of the build, since copying them takes longest."""
    prefix = workplace / "prefix"
    make("install-files", PREFIX=prefix, VENV_OPTIONS="--links")
    yield prefix
    shutil.rmtree(prefix, ignore_errors=True)


def test_everything_is_there_and_nothing_points_back(prefix):
    for name in PROGRAM_FILES:
        assert (prefix / name).exists(), name
    if (ROOT / "web/dist").exists():
        assert (prefix / "share/penny-sandbox/web/index.html").exists()
    said = subprocess.run([prefix / "bin/penny-sandbox", "--version"], capture_output=True, text=True)
    assert said.stdout == subprocess.run([BUILD / "penny-sandbox", "--version"], capture_output=True, text=True).stdout
    for name in ("lib/systemd/system/penny-sandbox.service", "share/man/man1/penny-sandbox.1", "lib/penny-sandbox/venv/pyvenv.cfg"):
        text = (prefix / name).read_text()
        assert str(ROOT) not in text and not re.search(r"@[A-Z]+@", text), name
    for script in (prefix / "lib/penny-sandbox/venv/bin").iterdir():
        first = script.open("rb").readline()
        assert not first.startswith(b"#!") or first == f"#!{prefix}/lib/penny-sandbox/venv/bin/python3\n".encode() or b"python" not in first, script
    linked = [os.readlink(p) for p in prefix.rglob("*") if p.is_symlink()]
    assert not [link for link in linked if str(ROOT) in link], linked
    mode = (prefix / "etc/penny-sandbox/environment").stat().st_mode & 0o777
    assert mode == 0o640, "it may hold keys"


def test_an_ordinary_user_runs_it_from_there(prefix, make_server):
    if tier_reason("user"):
        pytest.skip(tier_reason("user"))
    server = make_server(tier="user", executable=prefix / "bin/penny-sandbox", env={"SANDBOX_POOL_SIZE": "2"}).start()
    result = server.client.execute("import numpy, pandas, matplotlib.pyplot as plt, sys\nplt.plot([1, 2]); plt.show()\nprint(numpy.arange(3).sum(), sys.prefix)")
    assert result["status"] == "ok" and result["output"]["stdout"].startswith("3 ") and len(result["output"]["plots"]) == 1, result
    until(lambda: server.process_named(str(prefix / "lib/penny-sandbox/penny-zygote")), "the zygote of this place runs")
    opened = [processes.command(p) for p in processes.descendants(server.pid)]
    assert str(ROOT) not in "".join(opened)
    server.stop()


def test_the_operators_policies_count_and_stay(prefix, make_server):
    mine, shipped = prefix / "etc/penny-sandbox/policies", prefix / "share/penny-sandbox/policies"
    changed = json.loads((mine / "resources.json").read_text())
    changed["cpu"]["maxExecutionTime"] = 1234
    (mine / "resources.json").write_text(json.dumps(changed))
    (mine / "packages.json").unlink()  # taken from the shipped ones
    (shipped / "imports.json").write_text("{}")  # as an older version had it:
    (mine / "imports.json").write_text("{}")  # it was never changed
    said = subprocess.run([prefix / "bin/penny-sandbox", "doctor", "--json", "--port=0"], capture_output=True, text=True, timeout=60).stdout
    assert [f["status"] for f in json.loads(said)["findings"] if f["name"] == "policies"] == ["ok"], said
    out = make("install-files", PREFIX=prefix, VENV_OPTIONS="--links")
    assert "resources.json was changed and stays" in out and "imports.json" not in out, out
    assert json.loads((mine / "resources.json").read_text())["cpu"]["maxExecutionTime"] == 1234
    assert (mine / "imports.json").read_text() == (ROOT / "policies/imports.json").read_text()
    assert (shipped / "resources.json").read_text() == (ROOT / "policies/resources.json").read_text()
    server = make_server(executable=prefix / "bin/penny-sandbox", env={"SANDBOX_POOL_SIZE": "1"}).start()
    assert server.client.execute("import time\ntime.sleep(60)")["status"] == "timeout"
    server.stop()


def test_uninstall_leaves_what_the_operator_has_changed(prefix):
    out = make("uninstall", PREFIX=prefix)
    assert files(prefix) == {"etc/penny-sandbox/policies/resources.json"} and "was changed and stays" in out, out
    assert not (Path(prefix) / "lib").exists()
