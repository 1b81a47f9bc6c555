"""GET .../export and POST /sessions/import: a session as an archive, to another server or a later day."""

import io
import json
import os
import pickle
import signal
import tarfile
import threading

import pytest

from harness import until
from harness.policies import write_policies

TAR = {"Content-Type": "application/x-tar"}

RICH = """
import numpy as np, pandas as pd, threading, json as j, collections
from math import sqrt
a = np.arange(12.0).reshape(3, 4)
view = a[1]
df = pd.DataFrame({'n': range(5), 't': pd.date_range('2024-01-01', periods=5), 's': list('abcde')})
shared = [1, 2]
first, second = {'x': shared}, {'y': shared}
class Point:
    "a point"
    def __init__(self, x): self.x = x
    def double(self): return Point(self.x * factor)
class Far(Point):
    pass
factor = 2
p = Far(21)
def counter():
    n = 0
    def step():
        nonlocal n
        n += 1
        return n
    return step
step = counter(); step()
square = lambda v: v ** factor
Pair = collections.namedtuple('Pair', 'l r')
pair = Pair(1, 'zwei')
def uses_lock(): return lock
lock = threading.Lock()
gen = (i for i in range(3))
opened = open('data/deep/f.txt', 'w') if __import__('os').makedirs('data/deep', exist_ok=True) is None else 0
_ = opened.write('in a file'); opened.flush()
open('run.sh', 'w').write('#!/bin/sh'); __import__('os').chmod('run.sh', 0o755)
__import__('os').makedirs('empty', exist_ok=True); __import__('os').symlink('/etc/passwd', 'link')
print('made')
"""

CHECK = """
assert a.sum() == 66 and (view == a[1]).all()
assert list(df['s']) == list('abcde') and str(df['t'].dtype).startswith('datetime64')
first['x'].append(3); assert second['y'] == [1, 2, 3], second
assert p.double().x == 42 and isinstance(p, Point) and Point.__doc__ == 'a point'
factor = 3; assert square(2) == 8 and p.double().x == 63
assert step() == 2 and pair.r == 'zwei' and isinstance(pair, Pair)
assert sqrt(4) == 2 and np.pi > 3 and j.dumps([1]) == '[1]'
assert open('data/deep/f.txt').read() == 'in a file'
import os
assert os.stat('run.sh').st_mode & 0o111 and os.path.isdir('empty') and not os.path.lexists('link')
try:
    uses_lock()
except NameError:
    print('fine')
"""


def export(client, session, query=""):
    response = client.get(f"/api/v1/sessions/{session}/export{query}")
    assert response.status == 200 and response.headers["content-type"] == "application/x-tar", response
    return response.body


def bring(client, archive, query="", status=201):
    return client.expect(status, "POST", f"/api/v1/sessions/import{query}", archive, headers=TAR)


def entries(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() if member.isfile() else None for member in tar}


def test_a_session_goes_on_elsewhere(client, make_server):
    session = client.session(metadata={"team": "red"}, envVars={"COLOUR": "blue"})
    client.stdout(RICH, session)
    client.execute("1/0", session)
    archive = export(client, session)
    inside = entries(archive)
    manifest = json.loads(inside["manifest.json"])
    left = {one["name"]: one for one in manifest["omitted"]}
    assert set(left) == {"lock", "gen", "opened", "link"}, left
    assert left["lock"]["type"] == "lock" and "pickle" in left["lock"]["reason"] and left["link"]["type"] == "symlink"
    assert manifest["modules"]["np"] == "numpy" and manifest["modules"]["pd"] == "pandas"
    assert {one["name"]: one["type"] for one in manifest["variables"]}["df"] == "pandas.DataFrame"
    assert inside["files/data/deep/f.txt"] == b"in a file" and json.loads(inside["end.json"]) == {"omitted": []}
    with make_server() as other:
        for target in (client, other.client):
            made = bring(target, archive)
            assert made["id"] != session and made["metadata"] == {"team": "red"}
            imported = made["imported"]
            assert imported["sessionId"] == session and imported["executions"] == 2 and imported["files"] == 2
            assert {one["name"] for one in imported["omitted"]} == set(left) and all(o["at"] == "export" for o in imported["omitted"])
            assert target.stdout(CHECK, made["id"]) == "fine\n"
            assert target.stdout("import os; print(os.environ['COLOUR'])", made["id"]) == "blue\n"
            notebook = target.get(f"/api/v1/sessions/{made['id']}/notebook").json
            assert [c["execution_count"] for c in notebook["cells"]] == [1, 2, 3, 4]
            assert notebook["cells"][0]["source"] == RICH and notebook["cells"][0]["outputs"][0]["text"] == "made\n"
            assert notebook["cells"][1]["outputs"][0]["ename"] == "ZeroDivisionError"
            again = entries(export(target, made["id"]))
            assert len(json.loads(again["history.ipynb"])["cells"]) == 4 and json.loads(again["manifest.json"])["executionCount"] == 4
    assert client.stdout("print(step(), lock.locked())", session) == "2 False\n", "an export changes nothing"


def test_history_and_variables_outlive_the_server_process(make_server):
    server = make_server().start()
    client = server.client
    session = client.session()
    client.stdout("x = {'n': 1}\nprint('before')", session)
    made = bring(client, export(client, session))["id"]
    old = until(server.server_pid, "a server process runs")
    os.kill(old, signal.SIGKILL)
    until(lambda: server.server_pid() not in (None, old) and server.answers(), "another server process")
    cells = client.get(f"/api/v1/sessions/{made}/notebook").json["cells"]
    assert [c["outputs"][0]["text"] for c in cells] == ["before\n"]
    assert client.stdout("print(x)", made) == "{'n': 1}\n"


def test_what_cannot_be_read_back_costs_itself_and_what_hangs_on_it(client):
    session = client.session()
    client.stdout("class Late:\n    def __init__(s, v): s.v = v\n    def __reduce__(s): return (boom, (s.v,))\n"
                  "def boom(v):\n    if not open('flag', 'a+').tell(): raise RuntimeError('not here')\n"
                  "good = [1]\nbad = Late(good)\nalso = {'bad': bad}\nlast = [good, 2]", session)
    made = bring(client, export(client, session))
    lost = {one["name"]: one["reason"] for one in made["imported"]["omitted"]}
    assert set(lost) == {"bad", "also"} and lost["bad"] == "RuntimeError: not here", lost
    assert client.stdout("good.append(5); print(last, 'bad' in dir())", made["id"]) == "[[1, 5], 2] False\n"


def test_a_busy_session_is_not_exported_and_one_that_is_over_is_gone(client):
    session = client.session()
    run = client.start("input()", session)
    until(lambda: client.execution(run)["status"] == "inputRequired", "the program waits")
    assert client.get(f"/api/v1/sessions/{session}/export").json["code"] == "SESSION_BUSY"
    client.post(f"/api/v1/executions/{run}/input", {"text": ""})
    until(lambda: client.execution(run)["status"] == "ok", "the program has ended")
    assert len(export(client, session)) % 512 == 0
    client.delete_session(session)
    assert client.get(f"/api/v1/sessions/{session}/export").status == 410


CACHED = """
import functools
@functools.lru_cache(maxsize=2, typed=True)
def twice(n): return n * factor
class Tree:
    @functools.cache
    def depth(self): return 3
factor, tree = 2, Tree()
twice(1)
"""


@pytest.mark.parametrize("profile", ["open", "standard"])
def test_functions_with_a_cache_move(client, profile):
    session = client.session(policy=profile)
    client.stdout(CACHED, session)
    made = bring(client, export(client, session))
    assert made["imported"]["omitted"] == [], made["imported"]
    assert client.stdout("factor = 5\nprint(twice(1), twice.cache_parameters(), twice.__name__, tree.depth())", made["id"]) == "5 {'maxsize': 2, 'typed': True} twice 3\n"


def test_what_would_become_something_else_is_left_out_and_named(client):
    session = client.session()
    client.stdout("open('f', 'w').write('x')\nreads, view = open('f'), memoryview(b'xyz')\ninside = [view]\nkept = 1", session)
    manifest = json.loads(entries(export(client, session))["manifest.json"])
    reasons = {one["name"]: one["reason"] for one in manifest["omitted"]}
    assert set(reasons) == {"reads", "view", "inside"} and "an open file" in reasons["reads"] and "a view of memory" in reasons["view"], reasons
    assert [one["name"] for one in manifest["variables"]] == ["kept"]


def test_code_that_fights_being_pickled(client):
    session = client.session()
    client.stdout("class Exits:\n    def __reduce__(s): raise SystemExit(3)\n"
                  "class Hangs:\n    def __reduce__(s):\n        while True: pass\n"
                  "class Lies:\n    def __reduce__(s): return 'sys.exit'\n"
                  "e, h, l, ok = Exits(), Hangs(), Lies(), 7", session)
    manifest = json.loads(entries(export(client, session))["manifest.json"])
    reasons = {one["name"]: one["reason"] for one in manifest["omitted"]}
    assert set(reasons) == {"e", "h", "l"} and reasons["h"] == "it took too long" and reasons["e"].startswith("SystemExit"), reasons
    assert client.stdout("print(ok)", session) == "7\n"


def test_sizes_are_policy(make_server, tmp_path):
    policies = write_policies(tmp_path / "policies", resources={"transfer": {"maxArchiveSize": 3 << 20}})
    with make_server(args=[f"--policy-dir={policies}"]) as server:
        client = server.client
        session = client.session()
        client.stdout("small, large = b'x' * 1000, bytes(4 << 20)\nopen('big', 'wb').write(bytes(4 << 20))\nopen('little', 'w').write('l')", session)
        archive = export(client, session)
        left = {(o["kind"], o["name"]): o["reason"] for o in json.loads(entries(archive)["manifest.json"])["omitted"]}
        assert left == {("variable", "large"): "too large for the archive", ("file", "big"): "too large for the archive"}
        made = bring(client, archive)
        assert client.stdout("print(len(small), open('little').read())", made["id"]) == "1000 l\n"
        before = server.client.health()["sessions"]["active"]
        padded = archive + bytes(4 << 20)
        assert bring(client, padded, status=413)["code"] == "ARCHIVE_TOO_LARGE"
        chunks = (padded[i : i + 65536] for i in range(0, len(padded), 65536))
        connection = client.connect()
        try:
            connection.request("POST", "/api/v1/sessions/import", chunks, TAR, encode_chunked=True)
            assert connection.getresponse().status == 413
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer came before all had been sent
        finally:
            connection.close()
        until(lambda: client.health()["sessions"]["active"] == before, "no half session is left")


def test_what_has_no_room_says_which_room(make_server, tmp_path):
    """The archive would take each of them: a file of the workspace, into which they are packed, does not, or the workspace does not."""
    policies = write_policies(tmp_path / "policies", resources={"storage": {"maxFileSize": 8 << 20, "maxTotalStorage": 12 << 20}})
    with make_server(args=[f"--policy-dir={policies}"]) as server:
        for code, reason in (("large = bytes(9 << 20)", "storage.maxFileSize"), ("large = bytes(5 << 20)\nopen('f', 'wb').write(bytes(8 << 20))", "the workspace has no room for it")):
            if "workspace" in reason and not server.client.health()["isolation"]["layers"]["workspace"]["active"]:
                continue  # there the disk is its only limit
            session = server.client.session()
            server.client.stdout("small = 1\n" + code, session)
            found = json.loads(entries(export(server.client, session))["manifest.json"])
            assert [one["name"] for one in found["variables"]] == ["small"], found
            [left] = [one for one in found["omitted"] if one["name"] == "large"]
            assert reason in left["reason"], left


def test_a_large_session_in_many_parts(client):
    session = client.session()
    client.stdout("import numpy as np\nbig = np.random.default_rng(1).random(2_000_000)\nopen('f.bin', 'wb').write(big.tobytes()[:9_000_000])", session)
    digest = "import hashlib\nprint(hashlib.sha256(big.tobytes()).hexdigest(), hashlib.sha256(open('f.bin', 'rb').read()).hexdigest())"
    made = bring(client, export(client, session))
    assert made["imported"]["omitted"] == []
    assert client.stdout(digest, made["id"]) == client.stdout(digest, session)
    assert client.stdout("import os; print(sorted(os.listdir('.')))", made["id"]) == "['f.bin']\n"


# ---- archives that nobody exported ----

def manifest(**changes):
    return {"format": "penny-sandbox session", "version": 1, "session": {}, "executionCount": 0, "variables": [], "modules": {}, **changes}


def member(tar, name, data=b"", kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def made_up(*members, first=None, end=True, form=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        member(tar, "manifest.json", json.dumps(manifest() if first is None else first).encode())
        for one in members:
            member(tar, *one[:2], **(one[2] if len(one) > 2 else {}))
        if end:
            member(tar, "end.json", b"{}")
    return out.getvalue()


LONG = "files/" + "/".join(["d" * 60] * 4) + "/" + "n" * 90
WHOLE = made_up(("files/a", b"A"), (LONG, b"B"), form=tarfile.PAX_FORMAT)

HOSTILE = {
    "nothing": b"",
    "text": b"this is no archive" * 100,
    "zeros": bytes(10240),
    "cut in the manifest": WHOLE[:700],
    "cut in a head": WHOLE[:1100],
    "cut before the end": WHOLE[: len(WHOLE) // 512 // 2 * 512],
    "no end": made_up(("files/a", b"A"), end=False),
    "another first entry": made_up()[1024:],
    "a wrong checksum": WHOLE[:1024] + b"q" + WHOLE[1025:],
    "bytes behind the end": WHOLE + b"more",
    "another format": made_up(first=manifest(format="zip")),
    "another version": made_up(first=manifest(version=2)),
    "a manifest that is a list": made_up(first=[1]),
    "two manifests": made_up(("manifest.json", b"{}")),
    "the same file twice": made_up(("files/a", b"A"), ("files/a", b"B")),
    "up": made_up(("files/../../tmp/x", b"A")),
    "within": made_up(("files/a/../b", b"A")),
    "absolute": made_up(("files//etc/x", b"A")),
    "another place": made_up(("etc/passwd", b"A")),
    "our own names": made_up(("files/.penny-upload-part", b"A")),
    "a symlink": made_up(("files/l", b"", {"kind": tarfile.SYMTYPE, "linkname": "/etc/passwd"})),
    "a hard link": made_up(("files/l", b"", {"kind": tarfile.LNKTYPE, "linkname": "manifest.json"})),
    "a device": made_up(("files/d", b"", {"kind": tarfile.CHRTYPE})),
    "a sparse file": made_up(("files/s", b"", {"kind": tarfile.GNUTYPE_SPARSE})),
    "a name that is not UTF-8": made_up(("files/\udcff", b"A")),
    "a variable without a size": made_up(("variables.pickle", b"x"), first=manifest(variables=[{"name": "x", "type": "int"}])),
    "a variable's name": made_up(first=manifest(variables=[{"name": "x y", "type": "int", "bytes": 4}])),
    "our variable's name": made_up(first=manifest(variables=[{"name": "__builtins__", "type": "int", "bytes": 4}])),
    "a module's name": made_up(first=manifest(modules={"m": "a b"})),
    "a count": made_up(first=manifest(executionCount=-1)),
    "a history that is none": made_up(("history.ipynb", b"[")),
    "too many entries": made_up(*((f"files/{i}", b"") for i in range(12100))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_archive_is_refused_and_leaves_no_session(client, name):
    before = {s["id"] for s in client.get("/api/v1/sessions?limit=100&status=active").json["sessions"]}
    answer = bring(client, HOSTILE[name], status=400)
    assert answer["code"] == "INVALID_ARCHIVE", answer
    until(lambda: {s["id"] for s in client.get("/api/v1/sessions?limit=100&status=active").json["sessions"]} <= before, "no session is left")


@pytest.mark.parametrize("packages", ["numpy", [1], ["six", "-r x"], [f"package-{i}" for i in range(51)]], ids=["text", "a number", "no name", "too many"])
def test_packages_that_are_not_even_tried_are_named_as_left_out(client, packages):
    made = bring(client, made_up(("files/a", b"A"), first=manifest(packages=packages)))
    [left] = made["imported"]["omitted"]
    assert (left["kind"], left["at"]) == ("package", "import") and "packages" in left["reason"], left
    assert made["imported"]["files"] == 1


def test_settings_are_held_to_the_policy(client):
    assert bring(client, made_up(first=manifest(session={"resources": {"memory": 1 << 50}})), status=400)["code"] == "VALIDATION_ERROR"
    assert client.request("POST", "/api/v1/sessions/import", WHOLE, {"Content-Type": "text/plain"}).status == 415


def test_every_boundary_of_a_body_in_pieces(client):
    """The same archive in chunks of many sizes; its parts meet the parser everywhere."""
    for size in (1, 511, 513, 4096):
        connection = client.connect()
        pieces = (WHOLE[i : i + size] for i in range(0, len(WHOLE), size))
        connection.request("POST", "/api/v1/sessions/import", pieces, TAR, encode_chunked=True)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        assert response.status == 201 and body["imported"]["files"] == 2, body
        assert client.get(f"/api/v1/sessions/{body['id']}/files/{LONG[6:]}").body == b"B"


def test_hostile_pickles_stay_in_the_jail(client, standard_server):
    class Evil:
        def __reduce__(self):
            return (__import__("os").system, ("echo pwned > /workspace/pwned",))

    data = pickle.dumps(Evil())
    sized = manifest(variables=[{"name": "x", "type": "Evil", "bytes": len(data)}])
    made = bring(standard_server.client, made_up(("variables.pickle", data), first=sized))
    assert made["imported"]["omitted"][0]["name"] == "x" and "standard profile" in made["imported"]["omitted"][0]["reason"]
    assert standard_server.client.get(f"/api/v1/sessions/{made['id']}/files/pwned").status == 404
    killer = b"\x80\x04cos\nkill\n(I0\nI9\ntR."
    sized = manifest(variables=[{"name": "x", "type": "Evil", "bytes": len(killer)}])
    answer = client.request("POST", "/api/v1/sessions/import", made_up(("variables.pickle", killer), first={**sized, "session": {"policy": "open"}}), TAR)
    assert answer.status in (422, 503) and answer.json["code"] in ("INTERPRETER_DIED", "SESSION_UNAVAILABLE"), answer
    assert client.stdout("print(1)") == "1\n"


def calls(*steps):
    """A pickle of calls, each (module, name, arguments...); an argument that is itself a tuple is a call."""
    def of(step):
        if not isinstance(step, tuple):
            return pickle.dumps(step, 2)[2:-1]
        module, name, *arguments = step
        return f"c{module}\n{name}\n(".encode() + b"".join(of(a) for a in arguments) + b"tR"
    return b"\x80\x02" + b"".join(of(step) for step in steps) + b"."


WAYS_OUT = {
    "a function of os": calls(("os", "getpid")),
    "a dotted name": pickle.PROTO + bytes([4]) + b"\x8c\x10pandas.io.common\x8c\x09os.getpid\x93)R.",
    "a module in a module": calls(("builtins", "getattr", ("cloudpickle.cloudpickle", "subimport", "pandas.io.common"), "os")),
    "an import by cloudpickle": calls(("cloudpickle.cloudpickle", "subimport", "os")),
    "its importlib": calls(("importlib", "import_module", "os")),
    "another attribute getter": calls(("operator", "attrgetter", "__subclasses__")),
    "a method that finds": calls(("builtins", "object.__subclasses__")),
    "eval": calls(("builtins", "eval", "1")),
    "a helper of cloudpickle": calls(("cloudpickle.cloudpickle", "_getattribute", 1, "real")),
    "its loads": calls(("pickle", "loads", b"x")),
}


def test_pickles_find_no_way_past_the_import_policy(standard_server):
    names = [f"v{i}" for i in range(len(WAYS_OUT))]
    first = manifest(variables=[{"name": n, "type": "x", "bytes": len(p)} for n, p in zip(names, WAYS_OUT.values())])
    made = bring(standard_server.client, made_up(("variables.pickle", b"".join(WAYS_OUT.values())), first=first))
    reasons = {o["name"]: o["reason"] for o in made["imported"]["omitted"]}
    assert set(reasons) == set(names), {way: reasons.get(name) for way, name in zip(WAYS_OUT, names)}
    assert all("standard profile" in reason for reason in reasons.values()), reasons


def test_a_standard_session_goes_on_in_the_standard_profile(standard_server):
    session = standard_server.client.session()
    code = RICH.split("gen =")[0].replace("threading, ", "").replace("lock = threading.Lock()", "import operator; get = operator.itemgetter(0)")
    standard_server.client.stdout(code + "\nimport dataclasses, enum, functools, typing\n@dataclasses.dataclass\nclass D:\n    n: int = 1\nclass E(enum.Enum):\n    A = 1\n"
                                  "d, e, part, m = D(5), E.A, functools.partial(max, 3), [].append\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])", session)
    made = bring(standard_server.client, export(standard_server.client, session))
    assert made["imported"]["omitted"] == [], made["imported"]["omitted"]
    check = "assert p.double().x == 42 and step() == 2 and get([7]) == 7 and d == D(5) and e is E.A and part(4) == 4 and list(df['s']) == list('abcde')\nfig.savefig('x.png')\nprint('fine')"
    assert standard_server.client.stdout(check, made["id"]) == "fine\n"


STANDARD = "def f():\n    import os\n    return os\nclass C:\n    def g(self): return [].append.__self__\nimport numpy as np\nx = np.float64(2)\nprint(1)"


def test_the_import_policy_holds_for_what_was_imported(client, standard_server):
    session = client.session(policy="open")
    client.stdout(STANDARD, session)
    archive = entries(export(client, session))
    first = json.loads(archive["manifest.json"])
    first["session"] = {"policy": "standard"}
    made = bring(standard_server.client, made_up(("variables.pickle", archive["variables.pickle"]), first=first))
    assert [o["name"] for o in made["imported"]["omitted"]] == ["C"], made
    result = standard_server.client.execute("print(x); f()", made["id"])
    assert result["output"]["stdout"] == "2.0\n" and result["error"]["type"] == "PolicyViolation", result


def test_a_client_that_leaves_leaves_no_session(client):
    before = client.health()["sessions"]["active"]
    for cut in (100, 1100, len(WHOLE) - 600):
        raw = client.socket()
        raw.sendall(b"POST /api/v1/sessions/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-tar\r\n"
                    + f"Content-Length: {len(WHOLE)}\r\n\r\n".encode() + WHOLE[:cut])
        until(lambda: cut < 1000 or client.health()["sessions"]["active"] > before, "it has been begun")
        raw.close()
    until(lambda: client.health()["sessions"]["active"] <= before, "no session is left")


def test_many_at_once(client):
    session = client.session()
    client.stdout("x = list(range(1000))", session)
    archives, made = [], []
    threads = [threading.Thread(target=lambda: archives.append(export(client, session))) for _ in range(6)]
    [t.start() for t in threads], [t.join() for t in threads]
    threads = [threading.Thread(target=lambda a=a: made.append(bring(client, a)["id"])) for a in archives]
    [t.start() for t in threads], [t.join() for t in threads]
    assert len(set(made)) == 6 and all(client.stdout("print(sum(x))", m) == "499500\n" for m in made)
