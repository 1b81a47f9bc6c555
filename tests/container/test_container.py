"""What each documented line gives: the level it promises, layers that are what /health says, programs that run and hostile ones that are held."""

import json
import os
import subprocess

import pytest

from harness import processes, tiers, until

PLOT = "import pandas as pd, matplotlib.pyplot as plt\npd.DataFrame({'a': [1, 3, 2]}).plot()\nplt.show()\nprint('drawn')"


@pytest.fixture
def session(container):
    """Without the import policy: what holds a program is the kernel."""
    id = container.client.expect(201, "POST", "/api/v1/sessions", {"policy": "open"})["id"]
    yield id
    container.client.delete_session(id)


def status_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)


def first_process(container):
    """As the host sees it."""
    return json.loads(subprocess.run(["runc", "--root", str(container.directory / "run"), "state", container.name], capture_output=True, check=True).stdout)["pid"]


# ---- The image -------------------------------------------------------------------------------------------------------------
def test_the_image_is_what_it_should_be(image):
    settings = image.settings
    assert settings["User"] == "10001:10001" and settings["Entrypoint"] == ["/usr/local/bin/penny-sandbox"] and settings["StopSignal"] == "SIGTERM"
    assert settings["Healthcheck"]["Test"][0] == "CMD" and "3003/tcp" in settings["ExposedPorts"]
    for tool in ("gcc", "make", "node", "npm", "curl"):
        assert not (image.root / "usr/bin" / tool).exists(), f"{tool} is for building"
    assert not list((image.root / "var/lib/apt/lists").glob("*_Packages*"))


def test_nothing_of_the_building_machine_is_in_the_image(image):
    history = json.dumps(image.description["OCIv1"]["history"]) + json.dumps(image.settings)
    for word in ("build-net", "ca.crt", "_proxy", "index-url"):
        assert word not in history, word
    for path in ("run/build-net", "etc/pip.conf", "root/.npmrc", "root/.cache"):
        found = image.root / path
        assert not found.exists() or (found.is_dir() and not any(found.iterdir())) or found.stat().st_size == 0, path


def test_nobody_can_change_what_runs(image):
    places = [str(image.root / part) for part in ("usr", "etc", "opt")]
    done = subprocess.run(["find", *places, "-not", "-type", "l", "(", "-perm", "/022", "-o", "-not", "-uid", "0", ")"], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_its_size(image, record_property):
    size = sum(f.lstat().st_size for f in image.root.rglob("*") if not f.is_dir())
    print(f"image: {size / 1e6:.0f} MB unpacked")
    assert size < 1e9


def test_every_package_that_is_listed_can_be_imported(container, session):
    """What was taken out of them to make the image small is missed by none."""
    modules = ["numpy", "pandas", "scipy.stats", "scipy.optimize", "sklearn.linear_model", "statsmodels.api", "sympy", "networkx", "matplotlib.pyplot", "seaborn", "plotly.express",
               "PIL.Image", "openpyxl", "xlsxwriter", "lxml.etree", "bs4", "yaml", "requests", "tabulate", "tqdm", "pytz", "IPython", "cloudpickle", "psutil"]
    code = f"import importlib\nfor name in {modules!r}:\n    try: importlib.import_module(name)\n    except Exception as e: print(name, type(e).__name__, e)\nprint('done')"
    assert container.client.stdout(code, session, timeout=120000) == "done\n"


# ---- What the flags give -----------------------------------------------------------------------------------------------------
def test_the_flags_are_applied(container):
    status = status_of(first_process(container))
    full = container.level == "full"
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert int(status["CapBnd"], 16) == (1 << 21 | 1 << 7 | 1 << 6 | 1 << 5 if full else 0)
    assert (int(status["CapEff"], 16) != 0) == full
    assert status["Uid"].split()[0] == ("0" if full else "10001")
    if container.line.read_only:
        assert container.exec("/bin/sh", "-c", "echo x > /usr/x").returncode != 0


def test_health_says_the_level_that_is_promised(container):
    assert container.client.health()["isolation"]["level"] == container.level


def test_health_is_what_the_kernel_says(container):
    layers = container.client.health()["isolation"]["layers"]
    for name, layer in layers.items():
        assert layer["detail"] if layer["active"] else len(layer["reason"]) > 10, name
    session = container.client.session()
    container.client.execute("1", session)
    inits = [p for p in processes.descendants(first_process(container)) if processes.name(p) == "penny-init"]
    assert inits
    namespaced = _namespaces(inits[0])
    for layer, name in {"userNamespace": "user", "pidNamespace": "pid", "mountNamespace": "mnt", "ipcNamespace": "ipc", "utsNamespace": "uts", "networkNamespace": "net"}.items():
        assert (namespaced[name] != _namespaces(first_process(container))[name]) == layers[layer]["active"], layer
    uid = int(status_of(inits[0])["Uid"].split()[0])
    assert (uid >= 1_000_000) == layers["hostUid"]["active"] and uid != 0
    visits = container.client.health()["isolation"]["visits"]
    assert os.readlink(f"/proc/{inits[0]}/exe").endswith("/penny-init") == visits["active"] == tiers.can_visit(container.client.health()["isolation"]), visits
    with open(f"/proc/{inits[0]}/cgroup") as groups:
        in_group = "/penny-" in groups.read()
    container.client.delete_session(session)
    assert in_group or not layers["cgroupMemory"]["active"]


def _namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("user", "pid", "mnt", "ipc", "uts", "net")}


def test_programs_run_and_draw(container):
    result = container.client.execute(PLOT)
    assert result["status"] == "ok" and result["output"]["stdout"] == "drawn\n" and len(result["output"]["plots"]) == 1, result


def test_state_is_kept_and_comes_back_after_a_crash(container, session):
    client = container.client
    client.stdout("x = 41", session)
    assert client.execute("import ctypes\nctypes.string_at(0)", session)["status"] == "killed"
    assert client.stdout("print(x + 1)", session) == "42\n"


HOSTILE = {
    "files of the host": "import os\nfound = []\nfor p in ('/etc/shadow', '/proc/1/environ', '/proc/1/mem', '/proc/kcore', '/sys/fs/cgroup/cgroup.procs', '/root', '/run/secrets', '/var/lib/dpkg/status', '/usr/local/lib/penny-sandbox/../../../../etc/passwd-'):\n    for read in (lambda q: open(q, 'rb').read(10), os.listdir):\n        try: found.append((p, read(p)))\n        except OSError: pass\nprint(found)",
    "writing outside": "import os\ndone = []\nfor p in ('/', '/usr', '/etc', '/usr/local/lib/penny-sandbox', '/usr/local/share/penny-sandbox/python', '/var', '/run', '/dev'):\n    try: open(p + '/penny-written', 'w').close(); done.append(p)\n    except OSError: pass\nprint(done)",
    "the network": "import socket\ndone = []\nfor family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK):\n    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n        try: socket.socket(family, kind); done.append(family)\n        except OSError: pass\nprint(done)",
    "namespaces, mounts, other users": "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\ndone = []\nfor n, a in ((272, (0x10000000,)), (165, (b'proc', b'/tmp', b'proc', 0, None)), (161, (b'/tmp',)), (105, (0,)), (101, (16, 1, 0, 0)), (321, (0, 0, 0)), (430, (b'cgroup2', 0))):\n    if libc.syscall(n, *a) >= 0: done.append(n)\nprint(done)",
    "signals to the service": "import os\ndone = []\nfor pid in range(1, 400):\n    if pid in (os.getpid(), os.getppid()): continue\n    try: os.kill(pid, 0)\n    except OSError: continue\n    done.append(pid)\nprint([p for p in done if p not in OURS])",
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_hostile_snippets_are_held(container, session, attack):
    code = HOSTILE[attack].replace("OURS", "{1}" if container.level != "process" else "set()")  # 1: init, in the session's own pid namespace
    assert container.client.stdout(code, session) == "[]\n"


@pytest.mark.parametrize("bomb", ["import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", "x = []\nwhile True: x.append(bytearray(b'x') * 10_000_000)",
                                  "import os, time\nfor _ in range(12):\n    if os.fork() == 0:\n        x = bytearray(b'x') * 200_000_000\n        time.sleep(60)\ntime.sleep(60)",
                                  "n = 0\nwhile True:\n    open(f'f{n}', 'wb').write(b'x' * 1_000_000); n += 1"])
def test_a_bomb_hurts_its_own_session_only(container, session, bomb):
    client = container.client
    neighbour = client.session()
    client.stdout("mine = 1", neighbour)
    result = client.execute(bomb, session, timeout=4000)
    assert result["status"] in ("timeout", "memory", "killed", "error"), result
    assert client.stdout("print(mine)", neighbour) == "1\n"
    client.delete_session(neighbour)


# ---- Living with it ------------------------------------------------------------------------------------------------------------
def test_the_health_check(container):
    command = container.image.settings["Healthcheck"]["Test"][1:]
    assert container.exec(*command).returncode == 0
    wrong = container.exec("/usr/bin/env", "SANDBOX_PORT=1", *command)
    assert wrong.returncode == 1 and "does not answer" in wrong.stderr


def test_usr2_keeps_every_session(container):
    client = container.client
    session = client.session()
    client.stdout("kept = 'still here'", session)
    before = [p for p in processes.children(first_process(container))]
    subprocess.run(["runc", "--root", str(container.directory / "run"), "kill", container.name, "USR2"], check=True)
    until(lambda: not set(before) & set(processes.children(first_process(container))), "both processes are replaced", 60)
    until(container.answers, "the next server answers", 30)
    assert client.stdout("print(kept)", session) == "still here\n"
    client.delete_session(session)


def test_start_and_stop(container):
    """Last of its module: it ends the container. As `docker stop` does it, and with nothing left to kill."""
    print(f"{container.level}: first answer {container.start_seconds:.1f} s after the start")
    assert container.stop() == 0


def test_a_weaker_line_is_refused_when_more_is_required(make_container):
    with pytest.raises(AssertionError, match="isolation 'namespace' is required but this host gives 'process'"):
        with make_container("PENNY's own line", arguments=["--require-isolation=namespace"]):
            pass


def test_any_user_will_do(make_container):
    with make_container("Without any privilege", "--user", "4711:4711") as container:
        assert container.client.health()["isolation"]["level"] == "namespace"
        assert container.client.stdout("print(1)") == "1\n"


def test_masked_paths_cost_proc_and_checkpoints_and_that_is_said(make_container):
    with make_container("Without any privilege", "--security-opt", "systempaths=confined") as container:
        client = container.client
        assert client.health()["isolation"]["layers"]["proc"]["detail"].startswith("empty")
        session = client.expect(201, "POST", "/api/v1/sessions", {"policy": "open"})["id"]
        client.stdout("x = 1", session)
        crashed = client.execute("import ctypes\nctypes.string_at(0)", session)
        assert (crashed["status"], crashed["state"]) == ("killed", "lost")
        assert client.stdout("import os\nprint(os.listdir('/proc'))", session) == "[]\n"


def test_root_that_may_not_mount_is_told_what_to_do(make_container):
    with pytest.raises(AssertionError, match="CAP_SYS_ADMIN|cannot become the user"):
        with make_container("Without any privilege", "--user", "0:0", "--cap-add", "SETUID", "--cap-add", "SETGID", "--cap-add", "KILL"):
            pass
