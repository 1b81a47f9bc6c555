"""What /health says of the walls is what a program inside finds, and what the host sees from outside."""

import json
import os
import shutil

import pytest

from harness import ServerFailed, processes, tiers, until
from harness.doctor import doctor, finding
from harness.server import ROOT

EXPECTED = {"root": "full", "user": "namespace", "process": "process"}
NAMESPACES = {"userNamespace": "user", "pidNamespace": "pid", "mountNamespace": "mnt", "ipcNamespace": "ipc", "utsNamespace": "uts",
              "networkNamespace": "net"}
PRCTL = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"


def inits(server):
    return [p for p in processes.alive(processes.descendants(server.pid)) if processes.name(p) == "penny-init"]


def of_inits(server, look, least=1):
    """What `look` finds of each init, [(pid, found)]: those that are just ending are left out, and those that the pool is just making are waited for."""
    def found():
        seen = []
        for pid in inits(server):
            try:
                seen.append((pid, look(pid)))
            except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended meanwhile
                continue
        return [] if any(value is None for _, value in seen) or len(seen) < least else seen

    return until(found, f"{least} inits are seen")


def namespaces(server, layers):
    """A `look` for of_inits: {layer: namespace}, None while it is not in all of its own yet."""
    ours = {layer: os.readlink(f"/proc/{server.pid}/ns/{name}") for layer, name in NAMESPACES.items()}

    def look(pid):
        its = {layer: os.readlink(f"/proc/{pid}/ns/{name}") for layer, name in NAMESPACES.items()}
        return its if all(its[layer] != ours[layer] for layer in NAMESPACES if layers[layer]) else None

    return ours, look


def test_each_tier_gives_its_level(tier_server):
    isolation = tier_server.client.health()["isolation"]
    assert isolation["level"] == EXPECTED[tier_server.tier]
    said = [line for line in tier_server.log().splitlines() if "isolation is" in line]
    if isolation["level"] == "full":
        assert not said
    else:  # where the operator looks first, with the reason
        missing = next(layer["reason"] for layer in isolation["layers"].values() if not layer["active"])
        assert said and all(f"isolation is '{isolation['level']}' and not 'full': {missing}" in line and "doctor" in line for line in said)
    if tier_server.tier != "root":
        assert "not started as root" in isolation["layers"]["hostUid"]["reason"]


def test_every_layer_is_active_or_says_why_not(tier_server):
    for name, layer in tier_server.client.health()["isolation"]["layers"].items():
        assert layer["detail"] if layer["active"] else len(layer["reason"]) > 10, name


@pytest.mark.parametrize("tier", tiers.TIERS)
def test_where_it_was_started_does_not_matter(make_server, tier):
    """From the checkout, as by `make run`: what lies there is not taken for a program of the user's."""
    if tiers.tier_reason(tier):
        pytest.skip(f"tier {tier}: {tiers.tier_reason(tier)}")
    server = make_server(tier=tier, env={"SANDBOX_PROFILE": "standard"})
    server.cwd = server.tree
    server.start()
    assert server.client.stdout("import pandas as pd\nprint(pd.DataFrame({'a': [1]}).a.sum())") == "1\n"
    server.stop()


def test_namespaces_are_the_sessions_own(tier_server, layers, inside):
    inside("1")
    ours, look = namespaces(tier_server, layers)
    for _, its in of_inits(tier_server, look):
        for layer in NAMESPACES:
            assert (its[layer] != ours[layer]) == layers[layer], layer


def test_what_an_init_is(tier_server, inside):
    """A program of its own where a worker can be sent into its namespaces; else a fork of the zygote."""
    inside("1")
    isolation = tier_server.client.health()["isolation"]
    visits = isolation["visits"]
    programs = {program for _, program in of_inits(tier_server, lambda pid: os.readlink(f"/proc/{pid}/exe").rpartition("/")[2])}
    assert programs == {"penny-init" if visits["active"] else "penny-zygote"}
    assert visits["active"] == tiers.can_visit(isolation) and len(visits["detail" if visits["active"] else "reason"]) > 10


def test_sessions_share_no_namespace_but_the_empty_network(tier_server, layers):
    client = tier_server.client
    sessions = [client.session(), client.session()]
    for session in sessions:
        client.execute("1", session)
    found = of_inits(tier_server, namespaces(tier_server, layers)[1], 2)
    for layer, name in NAMESPACES.items():
        if layers[layer] and name != "net":
            assert len({its[layer] for _, its in found}) == len(found), layer
    for session in sessions:
        client.delete_session(session)


def test_host_users(tier_server, layers, inside):
    inside("1")
    uids = []

    def are_jailed():  # one that the pool is just making is still on its way
        try:
            uids[:] = [os.stat(f"/proc/{p}").st_uid if layers["userNamespace"] is False else _real_uid(p) for p in inits(tier_server)]
        except (FileNotFoundError, ProcessLookupError):
            return False
        return uids and 0 not in uids

    until(are_jailed, "no init is root")
    if layers["hostUid"]:
        assert len(set(uids)) == len(uids), "each session is a host user of its own"
        assert all(uid >= 1_000_000 for uid in uids), "and nobody on the host"


def _real_uid(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Uid:"))


def test_no_capability_and_no_way_to_gain_one(inside):
    code = PRCTL + """
print(libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0))
bounding = [c for c in range(64) if libc.prctl(23, c, 0, 0, 0) == 1]
class Head(ctypes.Structure): _fields_ = [('version', ctypes.c_uint32), ('pid', ctypes.c_int)]
class Data(ctypes.Structure): _fields_ = [('effective', ctypes.c_uint32), ('permitted', ctypes.c_uint32), ('inheritable', ctypes.c_uint32)]
head, data = Head(0x20080522, 0), (Data * 2)()
print(libc.capget(ctypes.byref(head), data), [(d.effective, d.permitted, d.inheritable) for d in data])
"""
    first, second = inside(code).splitlines()
    assert first == "1 2", "no_new_privs is set, seccomp filters"
    assert second == "0 [(0, 0, 0), (0, 0, 0)]"


def test_a_set_uid_program_gains_nothing(inside):
    code = "import subprocess\nprint(subprocess.run(['/usr/bin/su', '-c', 'id -u'], stdin=subprocess.DEVNULL, capture_output=True).returncode != 0)"
    assert inside(code) == "True\n"


def test_server_and_zygote_have_one_thread(tier_server):
    for pid in (until(tier_server.server_pid, "the server's number is known"), until(tier_server.zygote_pid, "the zygote's number is known")):
        assert len(os.listdir(f"/proc/{pid}/task")) == 1


def test_the_server_process_is_not_root(tier_server):
    assert _real_uid(until(tier_server.server_pid, "the server's number is known")) != 0


def test_init_can_not_be_killed_or_looked_into(tier_server, layers, inside):
    code = """
import os
parent = os.getppid()
found = []
for number in (9, 15, 19, 2):
    try: os.kill(parent, number); found.append(number)
    except PermissionError: pass
for name in ('mem', 'maps', 'environ', 'fd', 'root', 'cwd'):
    path = f'/proc/{parent}/{name}'
    try:
        os.listdir(path) if name in ('fd', 'root', 'cwd') else open(path, 'rb').read(1)
        found.append(name)
    except (OSError, ValueError): pass
print(found)
"""
    found = eval(inside(code))
    assert not [f for f in found if isinstance(f, str)], found
    assert inside("print('alive')") == "alive\n"
    if layers["landlock"] and not layers["pidNamespace"]:
        assert found == [], "Landlock keeps signals inside"


@pytest.mark.parametrize("tier,level", [("user", "full"), ("process", "full"), ("process", "namespace")])
def test_a_weaker_host_is_refused(make_server, tier, level):
    from harness import tier_reason

    if tier_reason(tier):
        pytest.skip(f"tier {tier}: {tier_reason(tier)}")
    server = make_server(tier=tier, args=[f"--require-isolation={level}"])
    with pytest.raises(ServerFailed) as failure:
        server.start()
    assert failure.value.code != 0
    assert level in failure.value.log and "required" in failure.value.log


def test_the_level_that_is_there_is_accepted(make_server):
    tier = "process" if tiers.tier_reason("process") is None else tiers.natural()
    if make_server(tier=tier).start().client.health()["isolation"]["level"] == "none":
        pytest.skip("/health says that nothing holds here")
    with make_server(tier=tier, args=["--require-isolation=process"]) as server:
        assert server.client.stdout("print(1)") == "1\n"


def test_no_memory_that_can_be_written_is_shared(tier_server, inside):
    """A fork inherits mappings, and one that is shared would join all sessions: what one writes the others would read, and go by."""
    inside(PRCTL + "libc.prctl(15, b'its-memory', 0, 0, 0)")
    worker = until(lambda: [p for p in processes.descendants(tier_server.pid) if processes.name(p) == "its-memory"], "it has its name")[0]
    found = [line.split() for line in open(f"/proc/{worker}/maps")]
    shared = [[int(n, 16) for n in place.split("-")] for place, access, *_ in found if access[3] == "s"]
    assert not [line for line in found if line[1][1] == "w" and line[1][3] == "s"]
    change = "libc.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int\n"
    assert inside(change + f"print([place for place in {shared} if libc.mprotect(place[0], place[1] - place[0], 3) == 0])") == "[]\n"


def test_the_file_of_the_interpreters_program_can_not_be_marked(layers, inside):
    """/proc/self/exe leads past the root, to the mount from which the program was started: where all are one user that could own it, and change its mode."""
    code = """
import os
done = []
for mark in (lambda: os.chmod('/proc/self/exe', 0o4755), lambda: os.utime('/proc/self/exe', (1, 1)), lambda: os.setxattr('/proc/self/exe', 'user.mark', b'1')):
    try: done.append(mark())
    except OSError: pass
print(done, bool(os.statvfs('/proc/self/exe').f_flag & os.ST_RDONLY))
"""
    done, is_read_only = inside(code).rsplit(maxsplit=1)
    assert done == "[]"
    assert is_read_only == str(layers["readOnlyRoot"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_in_a_chroot(make_server, workplace):
    """The kernel makes no user namespaces there. Sessions are users of their own even so, and what they can't read is said before one is made."""
    place = workplace / "chroot"
    closed, root = place / "closed", place / "root"
    root.mkdir(parents=True)
    shutil.copytree(ROOT / "runtime/python", closed / "python")
    closed.chmod(0o700)
    server = make_server(env={"SANDBOX_PYTHON_LIBRARY": str(closed / "python")}, for_others=True)
    start = place / "start"
    start.write_text(f'#!/bin/sh\nexec unshare -m --propagation private sh -c \'mount --rbind / {root} && exec /usr/sbin/chroot {root} {server.executable} "$@"\' sh "$@"\n')
    start.chmod(0o755)
    server.executable = start
    with pytest.raises(ServerFailed, match=f"can't read {closed}/python: open {closed} to others"):
        server.start()
    report = json.loads(doctor("--json", program=start, for_others=True, SANDBOX_PYTHON_LIBRARY=str(closed / "python")).stdout)
    assert f"open {closed} to others" in finding(report, "isolation")["found"] and finding(report, "python")["status"] == "ok"
    closed.chmod(0o755)
    server.start()
    health = server.client.health()["isolation"]
    layers = {name: layer["active"] for name, layer in health["layers"].items()}
    assert health["level"] == ("process" if layers["landlock"] else "none") and layers["hostUid"] and not layers["userNamespace"], health
    assert server.client.stdout("import numpy, os\nprint(numpy.arange(3).sum(), os.getuid() > 65535)", server.client.session()) == "3 True\n"
    server.stop()
