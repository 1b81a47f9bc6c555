"""The Debian package in a clean root: installed with what it depends on, started by its own systemd, upgraded while sessions live, purged.

One story in the order of the tests: each goes on from what the former has left.
"""

import json
import os
import re
import shutil
import subprocess

import pytest

from harness import BUILD, Client, ROOT, free_port, until

from package.machine import Machine, repack

UNIT = "penny-sandbox.service"
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a clean root is made by root")


@pytest.fixture(scope="module")
def package():
    package, = (BUILD / "deb").glob("*.deb")
    return package


@pytest.fixture(scope="module")
def machine(workplace):
    machine = Machine(workplace / "root")
    yield machine
    machine.stop()
    shutil.rmtree(machine.root)


@pytest.fixture(scope="module")
def client():
    return Client(free_port())


def serving(client):
    try:
        return client.get("/ready").status == 200
    except OSError:
        return False


def restart(machine, client):
    machine.systemctl("restart", UNIT)
    until(lambda: serving(client), "the service answers", 60)


@pytest.fixture
def drop_in(machine, client):
    """Sets a property of the unit for one test."""
    path = machine.root / f"etc/systemd/system/{UNIT}.d/test.conf"

    def write(line):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"[Service]\n{line}\n")
        machine.systemctl("daemon-reload")

    yield write
    shutil.rmtree(path.parent)
    machine.systemctl("daemon-reload")
    machine.systemctl("reset-failed", UNIT)
    restart(machine, client)


def test_it_installs_with_what_it_depends_on(machine, package, client):
    shutil.copy(package, machine.root / "tmp/package.deb")
    machine.run("apt-get", "-q", "update")
    machine.apt("install", "/tmp/package.deb")
    assert "penny-sandbox" in (machine.root / "etc/passwd").read_text()
    assert machine.run("dpkg", "--verify", "penny-sandbox").stdout == ""
    version = subprocess.run([BUILD / "penny-sandbox", "--version"], capture_output=True, text=True).stdout
    assert machine.run("penny-sandbox", "--version").stdout == version
    assert machine.run("dpkg-query", "-W", "-f", "penny-sandbox ${Version}\n", "penny-sandbox").stdout == version
    # doctor knows a root that was only changed into
    found = {f["name"]: f for f in json.loads(machine.run("penny-sandbox", "doctor", "--json", "--port=0", check=False).stdout)["findings"]}
    assert found["python"]["status"] == found["policies"]["status"] == found["user"]["status"] == found["page"]["status"] == "ok", found
    assert "chroot" in found["userNamespace"]["advice"]
    (machine.root / "etc/penny-sandbox/environment").open("a").write(f"SANDBOX_PORT={client.port}\nSANDBOX_POOL_SIZE=2\n")


def test_its_systemd_starts_it_in_full_isolation(machine, client):
    machine.apt("install", "systemd", "dbus")
    machine.boot()
    until(lambda: serving(client), "the service answers", 60)
    assert machine.property(UNIT, "StatusText") == f"Serving at http://127.0.0.1:{client.port}"
    isolation = client.health()["isolation"]
    assert isolation["level"] == "full" and all(layer["active"] for layer in isolation["layers"].values()), isolation
    result = client.execute("import numpy as np, pandas as pd, matplotlib.pyplot as plt\nplt.plot(np.arange(9)); plt.show()\nprint(pd.DataFrame({'a': [1, 2]}).a.sum())")
    assert result["output"]["stdout"] == "3\n" and len(result["output"]["plots"]) == 1, result
    assert b"<!doctype html>" in client.get("/", headers={"Accept": "text/html"}).body
    user = machine.run("ps", "-o", "user=", "-C", "penny-server", check=False).stdout if (machine.root / "usr/bin/ps").exists() else None
    assert user in (None, "penny-sa+\n", "penny-sandbox\n")
    doctor = machine.run("systemd-run", "--pipe", "--wait", "-q", "-p", "Delegate=yes", "penny-sandbox", "doctor", "--json", "--port=0", check=False)
    assert json.loads(doctor.stdout)["isolation"]["level"] == "full", doctor


def test_the_unit_is_well_formed_and_closed(machine):
    done = machine.run("systemd-analyze", "--no-pager", "verify", "--man=no", UNIT, "penny-sandbox.socket")
    assert done.stderr == ""
    assert machine.run("systemd-analyze", "--no-pager", "security", "--threshold=50", UNIT).returncode == 0


def test_a_reload_keeps_the_sessions_and_takes_the_policies(machine, client):
    session = client.session()
    client.stdout("x = 41", session)
    path = machine.root / "etc/penny-sandbox/policies/resources.json"
    path.write_text(path.read_text().replace('"maxExecutionTime": 30000', '"maxExecutionTime": 1500'))
    machine.systemctl("reload", UNIT)
    assert client.stdout("x += 1\nprint(x)", session) == "42\n"
    assert client.execute("while True: pass")["status"] == "timeout"
    client.delete_session(session)


def test_the_page_for_operators(machine, client):
    """Its commands at a root's prompt, each block as it stands."""
    blocks = re.findall(r"(?ms)^```console\n(.*?)^```", (ROOT / "deploy/OPERATOR.md").read_text())
    assert len(blocks) >= 3
    machine.apt("install", "curl")
    copied = machine.root / "root/penny-sandbox_1_amd64.deb"
    shutil.copy(machine.root / "tmp/package.deb", copied)
    environment, socket_place = machine.root / "etc/penny-sandbox/environment", listen_at(machine, client.port)
    before = environment.read_text()
    for block in blocks:
        commands = "\n".join(line[2:] for line in block.splitlines() if line.startswith("# ")).replace("127.0.0.1:3003", f"127.0.0.1:{client.port}")
        machine.run("bash", "-euo", "pipefail", "-c", f"cd /root\n{commands}")
        until(lambda: serving(client), "the service answers", 60)
    assert client.post("/api/v1/execute", {"code": "1"}).status == 401, "there are keys now"
    copied.unlink()
    key = re.search(r"\b(\S{20,})$", (machine.root / "etc/penny-sandbox/keys").read_text().strip())
    assert key
    shutil.rmtree(socket_place)
    environment.write_text(before)
    restart(machine, client)


def listen_at(machine, port):
    place = machine.root / "etc/systemd/system/penny-sandbox.socket.d"
    place.mkdir()
    (place / "port.conf").write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
    machine.systemctl("daemon-reload")
    return place


def test_an_upgrade_keeps_sessions_and_changed_files(machine, client, package):
    session = client.session()
    client.stdout("x = 'there'", session)
    before = {name: machine.property(UNIT, name) for name in ("MainPID", "NRestarts")}
    health = client.health()

    def change(tree):
        for name in ("resources", "filesystem"):
            path = tree / f"etc/penny-sandbox/policies/{name}.json"
            path.write_text(path.read_text().replace('"version": "1.0"', '"version": "1.1"'))

    newer = machine.root / "root/newer.deb"
    repack(package, newer, "999.0", change)
    machine.apt("install", "/root/newer.deb")
    newer.unlink()
    until(lambda: serving(client) and client.health()["uptime"] <= health["uptime"] + 60, "the service answers", 60)
    assert {name: machine.property(UNIT, name) for name in before} == before, "it was not restarted"
    assert client.stdout("print(x)", session) == "there\n"
    policies = machine.root / "etc/penny-sandbox/policies"
    assert '"maxExecutionTime": 1500' in (policies / "resources.json").read_text(), "the operator's stays"
    assert '"version": "1.1"' in (policies / "resources.json.dpkg-dist").read_text(), "and the new one lies beside it"
    assert '"version": "1.1"' in (policies / "filesystem.json").read_text(), "what nobody has changed is replaced"
    assert f"SANDBOX_PORT={client.port}" in (machine.root / "etc/penny-sandbox/environment").read_text()


@pytest.mark.parametrize("line,level,lost", [
    ("RestrictNamespaces=yes", "process", "userNamespace"), ("PrivateUsers=yes", None, None), ("ProtectHostname=yes", None, None),
    ("ProtectProc=invisible", "full", "metrics"), ("ProcSubset=pid", "full", "memory"),
])
def test_what_the_unit_says_must_not_be_taken_away(machine, client, drop_in, line, level, lost):
    assert line.partition("=")[0] in (ROOT / "deploy/systemd/penny-sandbox.service").read_text()
    drop_in(line)
    if level is None:
        assert machine.systemctl("restart", UNIT, check=False).returncode != 0
        return
    restart(machine, client)
    health = client.health()
    assert health["isolation"]["level"] == level
    if lost == "metrics":
        assert b'penny_process_resident_memory_bytes{process="zygote"}' not in client.get("/metrics").body
    elif lost == "memory":
        assert health["system"]["memory"]["total"] == 0
    else:
        assert not health["isolation"]["layers"][lost]["active"]


def test_the_way_out_needs_its_kernel_setting(machine, client, drop_in):
    path = machine.root / "etc/penny-sandbox/policies/resources.json"
    policy = json.loads(path.read_text())
    policy["network"]["enabled"] = True
    path.write_text(json.dumps(policy))
    restart(machine, client)
    assert client.health()["isolation"]["network"]["active"]
    drop_in("ProtectKernelTunables=yes")
    restart(machine, client)
    assert "Fast Open" in client.health()["isolation"]["network"]["reason"]
    policy["network"]["enabled"] = False
    path.write_text(json.dumps(policy))


def test_a_stuck_service_is_restarted(machine, client, drop_in):
    drop_in("WatchdogSec=3")
    restart(machine, client)
    restarts = int(machine.property(UNIT, "NRestarts"))
    machine.systemctl("kill", "--signal=STOP", "--kill-who=main", UNIT)
    until(lambda: int(machine.property(UNIT, "NRestarts")) > restarts, "systemd restarts it", 60)
    until(lambda: serving(client), "the service answers", 60)
    assert client.stdout("print(1)") == "1\n"


def test_socket_activation(machine, client):
    machine.systemctl("stop", UNIT)
    place = listen_at(machine, client.port)
    machine.systemctl("start", "penny-sandbox.socket")
    assert machine.property(UNIT, "ActiveState") == "inactive"
    assert client.health()["version"], "the first request starts it"
    until(lambda: serving(client), "it is ready", 60)
    machine.systemctl("kill", "--signal=KILL", UNIT)
    assert client.health()["version"], "who comes meanwhile waits for the next one"
    until(lambda: serving(client), "it is ready", 60)
    machine.systemctl("stop", "penny-sandbox.socket", UNIT)
    shutil.rmtree(place)


def test_a_purge_leaves_nothing(machine):
    machine.apt("purge", "penny-sandbox")
    assert machine.files() == set()
    assert "penny" not in (machine.root / "etc/passwd").read_text() + (machine.root / "etc/group").read_text()


def make(target, **variables):
    subprocess.run(["make", "-C", ROOT, target, *(f"{name}={value}" for name, value in variables.items())], check=True, stdout=subprocess.DEVNULL, timeout=600,
                   env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))})


def test_make_install_gives_the_same(machine, client):
    """Where the package has been, whose dependencies are still there."""
    page = (ROOT / "deploy/OPERATOR.md").read_text()
    commands = re.search(r"(?ms)With systemd it is started by\n```console\n(.*?)^```", page)[1].replace("# ", "")
    make("install-files", PREFIX="/usr/local", DESTDIR=machine.root)
    environment = "/usr/local/etc/penny-sandbox/environment"
    (machine.root / environment[1:]).open("a").write(f"SANDBOX_PORT={client.port}\nSANDBOX_POOL_SIZE=2\n")
    machine.run("bash", "-euc", commands)
    until(lambda: serving(client), "the service answers", 60)
    assert client.health()["isolation"]["level"] == "full" and client.stdout("import pandas\nprint(1)") == "1\n"
    assert b"<!doctype html>" in client.get("/", headers={"Accept": "text/html"}).body
    machine.systemctl("disable", "--now", UNIT)
    make("uninstall", PREFIX="/usr/local", DESTDIR=machine.root)
    left = {name for name in machine.files() if not name.startswith(("/var/lib/penny-sandbox", "/var/log/penny-sandbox"))}
    assert left == {os.path.dirname(environment), environment}, left


# They read every byte of every wheel, for half of lintian's time, and look for what other people may not pack: copies of jQuery, PHP, misspelt words.
LINTIAN_LEAVES_OUT = "languages/javascript/embedded,languages/php/embedded,languages/php/pear/embedded,binaries/spelling"


def test_lintian(package):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", "--dont-check-part", LINTIAN_LEAVES_OUT, "--tag-display-limit", "20", package],
                          capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
