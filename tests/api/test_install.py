"""make install below a DESTDIR, without the sessions' libraries (tests/package has them, and runs it): what is put where, and taken away."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from harness import BUILD, ROOT

pytestmark = pytest.mark.skipif(BUILD != ROOT / "build", reason="what is installed is what make build has made")
FILES = ("usr/bin/penny-sandbox", "usr/lib/penny-sandbox/penny-zygote", "usr/lib/penny-sandbox/penny-init", "usr/share/penny-sandbox/python/runtime.py", "usr/share/penny-sandbox/policies/resources.json",
         "etc/penny-sandbox/policies/resources.json", "etc/penny-sandbox/environment", "lib/systemd/system/penny-sandbox.service", "lib/systemd/system/penny-sandbox.socket",
         "usr/lib/sysusers.d/penny-sandbox.conf", "usr/share/man/man1/penny-sandbox.1", "usr/share/man/man5/penny-sandbox-environment.5",
         "usr/share/man/man5/penny-sandbox-policies.5", "usr/share/bash-completion/completions/penny-sandbox", "usr/share/zsh/vendor-completions/_penny-sandbox",
         "usr/share/fish/vendor_completions.d/penny-sandbox.fish")


def run_make(target, *places):
    return subprocess.run(["make", "-C", str(ROOT), target, *places, "VENV_OPTIONS=--none"], capture_output=True, text=True, timeout=110,
                          env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})


def make(target, stage, prefix="/usr"):
    done = run_make(target, f"PREFIX={prefix}", f"DESTDIR={stage}")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(directory):
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if not p.is_dir()}


def test_install_and_uninstall_below_a_destdir(tmp_path):
    make("install-files", tmp_path)
    assert set(FILES) <= files(tmp_path)
    assert ((tmp_path / "usr/share/penny-sandbox/web/index.html").exists()) == (ROOT / "web/dist/index.html").exists()
    unit = (tmp_path / "lib/systemd/system/penny-sandbox.service").read_text()
    assert "ExecStart=/usr/bin/penny-sandbox\n" in unit and "EnvironmentFile=-/etc/penny-sandbox/environment\n" in unit
    assert "/etc/penny\\-sandbox" in (tmp_path / "usr/share/man/man1/penny-sandbox.1").read_text().replace("/etc/penny-sandbox", "/etc/penny\\-sandbox")
    for name in FILES[4:]:
        text = (tmp_path / name).read_text()
        assert str(ROOT) not in text and str(tmp_path) not in text, name
    assert (tmp_path / "etc/penny-sandbox/environment").stat().st_mode & 0o777 == 0o640, "it may hold keys"

    mine, shipped = tmp_path / "etc/penny-sandbox/policies", tmp_path / "usr/share/penny-sandbox/policies"
    changed = (mine / "resources.json").read_text().replace("30000", "30001")
    (mine / "resources.json").write_text(changed)
    (mine / "packages.json").unlink()  # then the shipped one counts
    for place in (shipped, mine):
        (place / "imports.json").write_text("{}")  # an older version's, which nobody has changed
    said = subprocess.run([tmp_path / "usr/bin/penny-sandbox", "doctor", "--json", "--port=0", f"--python={BUILD}/venv/bin/python"], capture_output=True, text=True, timeout=60)
    found = {f["name"]: f for f in json.loads(said.stdout)["findings"]}
    assert found["policies"] == {"name": "policies", "status": "ok", "found": str(mine), "advice": None}, said
    assert "isolation" in found and found["seccomp"]["status"] == "ok", "the zygote below the DESTDIR has answered"
    out = make("install-files", tmp_path)
    assert "resources.json was changed and stays" in out and "imports.json" not in out, out
    assert (mine / "resources.json").read_text() == changed
    assert (mine / "imports.json").read_text() == (ROOT / "policies/imports.json").read_text()
    assert (shipped / "resources.json").read_text() == (ROOT / "policies/resources.json").read_text()

    out = make("uninstall", tmp_path)
    assert files(tmp_path) == {"etc/penny-sandbox/policies/resources.json"} and "was changed and stays" in out, out


def test_a_prefix_that_ends_in_a_slash_and_a_destdir_with_a_space(tmp_path):
    stage = tmp_path / "a stage"
    make("install-files", stage, "/usr/")
    assert set(FILES) <= files(stage)
    make("uninstall", stage, "/usr/")
    assert files(stage) == set()


@pytest.mark.parametrize("place", ["PREFIX=opt/penny", "PREFIX=/opt/a b", "PREFIX=/opt/a&b", "SYSCONFDIR=etc"])
def test_a_place_that_could_not_be_written_into_the_unit_is_refused(tmp_path, place):
    done = run_make("install-files", place, f"DESTDIR={tmp_path}/")
    assert done.returncode != 0 and "must be absolute" in done.stderr and files(tmp_path) == set(), done


def test_a_copy_of_the_libraries(tmp_path):
    source, copy, final = tmp_path / "source", tmp_path / "stage/copy", tmp_path / "final"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", source], check=True)
    packages = next(source.glob("lib/python*/site-packages"))
    (packages / "small.py").write_text("import sys\nprint(sys.prefix, __file__)\n")
    (source / "bin/script").write_text(f"#!{source}/bin/python3\nimport small\n")
    (source / "bin/script").chmod(0o755)
    subprocess.run([source / "bin/python", "-c", "import small"], check=True, env={})
    compiled = next(packages.rglob("small*.pyc"))
    before = compiled.read_bytes()
    copy.parent.mkdir()
    subprocess.run([source / "bin/python", "-B", ROOT / "deploy/venv_install.py", source, copy, final], check=True)
    copy.rename(final)
    shutil.rmtree(source)
    module = next(final.rglob("small.py"))
    os.utime(module, (1, 1))  # as packing and unpacking do
    said = subprocess.run([final / "bin/script"], capture_output=True, text=True, env={})
    assert said.stdout == f"{final} {module}\n", said
    said = subprocess.run([final / "bin/python", "-v", "-c", "import small"], capture_output=True, text=True, env={})
    assert "small" in said.stderr and "wrote" not in said.stderr and f"code object from '{module}'" not in said.stderr, said.stderr
    after = next(final.rglob("small*.pyc")).read_bytes()
    assert after[16:] == before[16:] and after[:16] != before[:16]
    assert str(source) not in (final / "pyvenv.cfg").read_text()


def test_the_page_of_who_alone_may_enter_its_place(make_server, tmp_path):
    """As with a clone in root's home: the server process, which is nobody there, was given the directory before it became that."""
    web = tmp_path / "home/web"
    web.mkdir(parents=True)
    (web / "index.html").write_text("<p>the page</p>")
    (tmp_path / "home").chmod(0o700)
    server = make_server(env={"SANDBOX_WEB_DIR": str(web), "SANDBOX_POOL_SIZE": "1"}).start()
    answer = server.client.get("/", headers={"Accept": "text/html"})
    assert answer.status == 200 and answer.body == b"<p>the page</p>", answer
    assert server.client.get("/../secret").status in (400, 404)
