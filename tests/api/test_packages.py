"""Packages: what may be installed, into which session, and what a hostile index or wheel can do about it. The index is the test's own."""

import json
import os
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from harness import ROOT, TIERS, tier_reason, until, write_policies
from harness.index import Index, wheel
from harness.lines import json_lines

RULES = [
    {"name": "Penny_Good", "versions": ">=1,<3", "category": "utility", "description": "A good one", "reason": "a test"},
    *({"name": f"penny-{name}", "versions": "", "reason": "a test"} for name in (
        "needy", "old", "traversal", "source", "giant", "slow", "wrong", "hook", "absent", "picky", "bomb", "shadow", "held", "extra", "link", "other")),
    {"name": "penny-web", "versions": "", "category": "web", "reason": "a test"},
]
LIMITS = {"maxInstallTime": 100_000, "maxInstallSize": 3_000_000, "maxFileSize": 1_000_000, "maxPackagesPerSession": 6}


@pytest.fixture(scope="module")
def index():
    index = Index()
    index.add("penny-good", "1.0")
    index.add("penny-good", "2.0")
    index.add("penny-good", "3.0")
    index.add("penny-needy", "1.0", requires=["penny-dependency>=1", "numpy", "penny-never; extra == 'more'"])
    index.add("penny-dependency", "1.5")
    index.add("penny-web", "1.0")
    index.add("penny-other", "1.0", requires=["penny-trap"])
    index.add("penny-trap", "1.0")
    yield index
    index.close()


def policies(directory, **changes):
    directory.chmod(0o755)
    return write_policies(directory, packages={"packages": RULES, "limits": LIMITS, "blocked": [
        {"name": "os", "reason": "a trap"}, {"name": "penny-trap", "reason": "a trap"}], **changes})


def environment(index, directory, **changes):
    return {**index.env, "SANDBOX_POLICY_DIR": policies(directory, **changes), "SANDBOX_PROFILE": "standard"}


@pytest.fixture(scope="module")
def server(workplace, index, tmp_path_factory):
    from conftest import _server

    place = tmp_path_factory.mktemp("policies")
    with _server(workplace, env={**environment(index, place), "SANDBOX_AUDIT_LOG": str(place / "audit.log")}) as server:
        server.audit_path = place / "audit.log"
        yield server


@pytest.fixture
def client(server):
    return server.client


def install(client, session, *packages, **fields):
    return client.expect(200, "POST", "/api/v1/packages/install", {"sessionId": session, "packages": list(packages), **fields})


def failure(client, session, *packages, **fields):
    """The one reason why it could not be."""
    result = install(client, session, *packages, **fields)
    assert not result["success"] and not result["installed"], result
    return result["failed"][0]["error"]


def names(client, session):
    return client.expect(200, "GET", f"/api/v1/sessions/{session}")["installedPackages"]


# ---- what there is ----

def test_the_list_has_what_every_session_has_and_what_can_be_had(client):
    answer = client.expect(200, "GET", "/api/v1/packages")
    assert answer["categories"] == ["data-science", "machine-learning", "visualization", "web", "utility"]
    assert answer["total"] == len(answer["packages"])
    found = {p["name"]: p for p in answer["packages"]}
    assert found["numpy"]["installed"] and re.match(r"\d+\.\d+", found["numpy"]["version"]) and found["numpy"]["category"] == "data-science"
    assert found["numpy"]["size"] > 1_000_000 and "python-dateutil" in found["pandas"]["dependencies"]
    assert not found["penny-good"]["installed"] and found["penny-good"]["description"] == "A good one"
    inside = client.stdout("import importlib.metadata as m\nprint(len({d.metadata['Name'].lower() for d in m.distributions()}))", client.session(policy={"profile": "open"}))
    assert sum(p["installed"] for p in answer["packages"]) == int(inside)


@pytest.mark.parametrize("query, expected", [
    ("search=NUMP", {"numpy"}), ("search=good+one", {"penny-good"}), ("category=web&installed=false", {"penny-web"}),
    ("search=penny-we&installed=true", set()), ("search=penny-we&installed=false", {"penny-web"})])
def test_the_list_can_be_searched(client, query, expected):
    assert {p["name"] for p in client.expect(200, "GET", f"/api/v1/packages?{query}")["packages"]} == expected


@pytest.mark.parametrize("query", ["category=fun", "installed=perhaps", f"search={'x' * 200}"])
def test_a_wrong_query_is_refused(client, query):
    assert client.get(f"/api/v1/packages?{query}").status == 400


def test_one_package(client):
    numpy = client.expect(200, "GET", "/api/v1/packages/NumPy")
    assert numpy["installed"] and numpy["allowedVersions"] == [numpy["version"]] and numpy["securityRating"] == "safe" and numpy["license"]
    good = client.expect(200, "GET", "/api/v1/packages/penny.good")
    assert good["allowedVersions"] == [">=1,<3"] and good["securityRating"] == "caution" and not good["installed"] and good["reason"] == "a test"
    assert client.expect(200, "GET", "/api/v1/packages/os")["securityRating"] == "blocked"
    missing = client.expect(404, "GET", "/api/v1/packages/nothing-of-the-kind")
    assert missing["code"] == "PACKAGE_NOT_FOUND" and "'nothing-of-the-kind'" in missing["message"]
    assert client.get("/api/v1/packages/..%2Fetc").status == 404


# ---- into a session ----

def test_a_package_is_there_after_its_installation_and_only_in_its_session(client, index, server):
    one, other = client.session(), client.session()
    refused = client.execute("import penny_good", one)
    assert refused["status"] == "rejected" and refused["error"]["type"] == "PolicyViolation"
    result = install(client, one, "penny-good")
    assert result["success"] and result["installed"] == ["penny-good==2.0"] and result["failed"] == [], result
    assert any("penny" in line for line in result["logs"])
    assert client.stdout("import penny_good; print(penny_good.version)", one) == "2.0\n"
    assert client.execute("import penny_good", other)["status"] == "rejected"
    assert names(client, one) == ["penny-good==2.0"] and names(client, other) == []
    listed = client.expect(200, "GET", f"/api/v1/packages/session/{one}")
    own = [p for p in listed["packages"] if not p["preinstalled"]]
    assert listed["sessionId"] == one and [(p["name"], p["version"], p["modules"], p["requested"]) for p in own] == [("penny-good", "2.0", ["penny_good"], True)]
    assert any(p["name"] == "numpy" and p["preinstalled"] for p in listed["packages"])


def test_the_second_session_needs_no_index(client, index):
    install(client, client.session(), "penny-good==1.0")
    asked = len(index.requests)
    second = client.session()
    assert install(client, second, "penny_good == 1.0")["installed"] == ["penny-good==1.0"]
    assert len(index.requests) == asked
    assert client.stdout("import penny_good; print(penny_good.version)", second) == "1.0\n"
    install(client, client.session(), "penny-good==1.0", force=True)
    assert len(index.requests) > asked


def test_a_layer_can_be_read_and_not_written(client):
    session = client.session(policy={"profile": "open"}, packages=["penny-good"])
    program = """
import os, penny_good
place = os.path.dirname(penny_good.__file__)
for what in (lambda: open(place + "/more.py", "w"), lambda: open(penny_good.__file__, "a"), lambda: os.remove(penny_good.__file__),
             lambda: os.chmod(place, 0o777), lambda: os.mkdir(os.path.dirname(place) + "-more"), lambda: os.rename(place, "/tmp/x")):
    try:
        what()
        print("done")
    except OSError:
        print("refused")
print("PENNY_LAYERS" in os.environ)
"""
    assert client.stdout(program, session) == "refused\n" * 6 + "False\n"


def test_dependencies_come_along_and_are_recorded(client):
    session = client.session()
    result = install(client, session, "penny-needy")
    assert result["success"] and sorted(result["installed"]) == ["penny-dependency==1.5", "penny-needy==1.0"], result
    assert client.stdout("import penny_needy, penny_dependency; print(penny_dependency.version)", session) == "1.5\n"
    own = {p["name"]: p for p in client.expect(200, "GET", f"/api/v1/packages/session/{session}")["packages"] if not p["preinstalled"]}
    assert own["penny-needy"]["requested"] and not own["penny-dependency"]["requested"]
    assert own["penny-needy"]["dependencies"] == ["numpy", "penny-dependency"]


def test_what_every_session_has_is_installed_already(client, index):
    session, asked = client.session(), len(index.requests)
    result = install(client, session, "numpy", "pandas")
    assert result["success"] and {i.split("==")[0] for i in result["installed"]} == {"numpy", "pandas"}
    assert len(index.requests) == asked and names(client, session) == []
    assert install(client, session, "numpy>=1")["success"]
    why = failure(client, session, "numpy<1")
    assert "can't be replaced" in why, why


def test_another_version_takes_the_place_of_the_first(client):
    session = client.session()
    install(client, session, "penny-good==1.0")
    result = install(client, session, "penny-good==2.0")
    assert result["success"] and "restartNeeded" not in result and names(client, session) == ["penny-good==2.0"]
    assert client.stdout("import penny_good; print(penny_good.version)", session) == "2.0\n"


def test_a_module_that_is_imported_stays_until_a_restart_and_the_answer_says_so(client):
    session = client.session()
    install(client, session, "penny-good==1.0")
    client.execute("import penny_good", session)
    result = install(client, session, "penny-good==2.0")
    assert result["success"] and result["restartNeeded"] == ["penny_good"] and any("restarted" in line for line in result["logs"]), result
    assert client.stdout("print(penny_good.version)", session) == "1.0\n"
    client.expect(202, "POST", f"/api/v1/sessions/{session}/restart", {})
    assert client.stdout("import penny_good; print(penny_good.version)", session) == "2.0\n"


def test_packages_outlive_the_interpreter(client):
    session = client.session(policy={"profile": "open"}, packages=["penny-good"])
    client.execute("import os; os.kill(os.getpid(), 9)", session)
    assert client.stdout("import penny_good; print(penny_good.version)", session) == "2.0\n"


def test_packages_are_not_rolled_back(client):
    session = client.session()
    client.execute("x = 1", session)
    made = client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": "before"})
    install(client, session, "penny-good")
    client.execute("import penny_good; x = 2", session)
    client.expect(200, "POST", f"/api/v1/sessions/{session}/rollback", {"checkpointId": made["id"]})
    assert client.stdout("import penny_good; print(x, penny_good.version)", session) == "1 2.0\n"
    after = client.expect(201, "POST", f"/api/v1/sessions/{session}/checkpoints", {"name": "with"})
    client.expect(200, "POST", "/api/v1/packages/uninstall", {"sessionId": session, "packages": ["penny-good"]})
    client.expect(200, "POST", f"/api/v1/sessions/{session}/rollback", {"checkpointId": after["id"]})
    refused = client.execute("import penny_good", session)
    assert refused["status"] == "rejected" and names(client, session) == [], refused


def test_a_fork_has_its_parents_packages_and_then_its_own(client):
    session = client.session(packages=["penny-good"])
    client.execute("x = 1", session)
    fork = client.expect(201, "POST", f"/api/v1/sessions/{session}/fork", {"count": 1})["sessions"][0]["id"]
    assert names(client, fork) == ["penny-good==2.0"]
    install(client, fork, "penny-web")
    assert client.stdout("import penny_good, penny_web; print(x)", fork) == "1\n"
    assert client.execute("import penny_web", session)["status"] == "rejected" and names(client, session) == ["penny-good==2.0"]
    client.expect(202, "POST", f"/api/v1/sessions/{fork}/restart", {})
    assert client.stdout("import penny_good; print(penny_good.version)", fork) == "2.0\n"


def test_uninstall(client):
    session = client.session(packages=["penny-good", "penny-web"])
    client.execute("import penny_good", session)
    result = client.expect(200, "POST", "/api/v1/packages/uninstall", {"sessionId": session, "packages": ["Penny.Good", "penny-absent"]})
    assert result["success"] and result["uninstalled"] == ["penny-good==2.0"] and result["restartNeeded"] == ["penny_good"], result
    assert names(client, session) == ["penny-web==1.0"]
    assert client.execute("import penny_good", session)["status"] == "rejected"
    assert client.stdout("import penny_web; print(1)", session) == "1\n"


def test_packages_come_with_a_session_and_with_an_execution(client):
    session = client.session(packages=["penny-good<2"])
    assert names(client, session) == ["penny-good==1.0"]
    result = client.execute("import penny_web; print(penny_web.version)", session, packages=["penny-web", "numpy"])
    assert result["success"] and result["output"]["stdout"] == "1.0\n", result
    execution = client.start("import penny_dependency; print(1)", packages=["penny-needy"])
    until(lambda: client.execution(execution)["status"] not in ("queued", "running"), "the execution ends")
    assert client.execution(execution)["result"]["success"], client.execution(execution)


def test_an_execution_whose_packages_cannot_be_had_does_not_run(client):
    result = client.execute("print('ran')", packages=["penny-absent"])
    assert result["status"] == "rejected" and result["error"]["type"] == "PackageError" and "penny-absent" in result["error"]["message"], result
    assert result["output"]["stdout"] == ""
    result = client.execute("print('ran')", packages=["not-on-the-list"])
    assert result["status"] == "rejected" and "not-on-the-list" in result["error"]["message"], result
    assert client.stdout("print('ran')", result["sessionId"]) == "ran\n"


def test_a_session_without_its_packages_is_none(client):
    before = client.expect(200, "GET", "/api/v1/sessions")["total"]
    answer = client.expect(422, "POST", "/api/v1/sessions", {"packages": ["penny-absent"]})
    assert answer["code"] == "PACKAGES_NOT_INSTALLED" and "penny-absent" in answer["failed"][0]["error"]
    assert client.expect(400, "POST", "/api/v1/sessions", {"packages": ["os"]})["code"] == "PACKAGES_BLOCKED"
    assert client.expect(200, "GET", "/api/v1/sessions")["total"] == before


def test_a_busy_session_gets_them_with_its_next_execution(client, tmp_path):
    session = client.session()
    install(client, client.session(), "penny-good")
    running = client.start("input()", session)
    until(lambda: client.execution(running)["status"] == "inputRequired", "the cell runs")
    result = install(client, session, "penny-good")
    assert result["success"] and any("next execution" in line for line in result["logs"]), result
    client.expect(202, "POST", f"/api/v1/executions/{running}/input", {"text": ""})
    assert client.stdout("import penny_good; print(1)", session) == "1\n"


def test_progress_is_streamed(client, index):
    session = client.session()
    with client.open_stream("POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["penny-good"], "force": True}) as stream:
        assert stream.status == 200 and stream.headers["content-type"].startswith("text/event-stream")
        events = stream.rest()
    phases = [e.data["phase"] for e in events if e.type == "progress"]
    assert phases[0] == "resolving" and "downloading" in phases and phases[-1] == "installing", events
    assert events[-1].type == "complete" and events[-1].data["installed"] == ["penny-good==2.0"] and events[-1].json["sessionId"] == session
    assert any(e.type == "progress" and e.data.get("total", 0) > 0 for e in events)


def test_two_who_want_the_same_wait_for_one_installation(client, index):
    index.add("penny-held", "1.0")
    index.hold("/simple/penny-held")
    sessions = [client.session(), client.session()]
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(install, client, s, "penny-held") for s in sessions]
        until(lambda: index.asked("/simple/penny-held"), "the index is asked")
        assert client.stdout("print(1)") == "1\n"  # nothing else waits
        until(lambda: value(client, "penny_package_installs_waiting") == 2, "both wait")
        index.release()
        assert all(w.result()["success"] for w in waiting)
    assert len(index.asked("/simple/penny-held")) == 1


def value(client, name):
    found = re.search(rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+]+)$", client.get("/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else None


# ---- what is refused ----

@pytest.mark.parametrize("package", ["--index-url=http://evil.test/", "-r/etc/passwd", "-e .", "./local", "/tmp/x.whl", "http://evil.test/x.whl", "git+https://evil.test/x",
                                     "penny-good @ file:///tmp/x.whl", "penny-good; python_version > '3'", "penny-good\n--pre", "penny-good --pre", "", " ", "penny-good==",
                                     "penny-good>=1 <2", "a" * 200, "penny-good===1.0", "pénny", "penny-good[", 5, None, {}])
def test_what_is_no_package_name_never_reaches_the_installer(client, index, package):
    session, asked = client.session(), len(index.requests)
    answer = client.expect(400, "POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["penny-good", package]})
    assert answer["code"] == "VALIDATION_ERROR" and len(index.requests) == asked and names(client, session) == []


@pytest.mark.parametrize("body", [{}, {"packages": ["numpy"]}, {"sessionId": "x", "packages": ["numpy"]}, {"sessionId": str(uuid.uuid4())},
                                  {"sessionId": str(uuid.uuid4()), "packages": []}, {"sessionId": str(uuid.uuid4()), "packages": "numpy"},
                                  {"sessionId": str(uuid.uuid4()), "packages": ["numpy"] * 100}])
@pytest.mark.parametrize("path", ["install", "uninstall"])
def test_wrong_bodies(client, path, body):
    assert client.expect(400, "POST", f"/api/v1/packages/{path}", body)["code"] == "VALIDATION_ERROR"


def test_no_such_session(client):
    body = {"sessionId": str(uuid.uuid4()), "packages": ["numpy"]}
    for path in ("install", "uninstall"):
        assert client.expect(404, "POST", f"/api/v1/packages/{path}", body)["code"] == "SESSION_NOT_FOUND"
    assert client.get(f"/api/v1/packages/session/{uuid.uuid4()}").status == 404


def test_what_is_not_on_the_list_is_refused_altogether(client, index, server):
    session, asked, denied = client.session(), len(index.requests), denials(client)
    answer = client.expect(400, "POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["penny-good", "OS", "flask"]})
    assert answer["code"] == "PACKAGES_BLOCKED" and answer["message"] == "Blocked packages: os, flask"
    assert names(client, session) == [] and len(index.requests) == asked and denials(client) == denied + 1
    with client.open_stream("POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["flask"]}) as stream:
        assert stream.status == 400


def denials(client):
    return float(re.search(r'policy="packages"\} (\d+)', client.get("/metrics").body.decode())[1])


def test_versions_that_the_rule_does_not_allow(client):
    assert "version 3.0 is not allowed" in failure(client, client.session(), "penny-good==3.0")
    assert "penny-good" in failure(client, client.session(), "penny-good>=3").lower()
    assert "penny-good" in failure(client, client.session(), "penny-good==1.7").lower()


def test_a_dependency_that_is_blocked_is_refused(client):
    session = client.session()
    assert "penny-trap is blocked" in failure(client, session, "penny-other")
    assert names(client, session) == []


def test_dependencies_must_be_listed_where_the_policy_says_so(make_server, index, tmp_path):
    server = make_server(env=environment(index, tmp_path, dependencies="listed")).start()
    session = server.client.session()
    assert "penny-dependency 1.5 is not on the list" in failure(server.client, session, "penny-needy")
    assert install(server.client, session, "penny-good")["success"]


# ---- hostile wheels and indexes ----

HOSTILE = {
    "penny-traversal": ({"data": wheel("penny-traversal", "1.0", {"../../../../../../tmp/penny-evil.py": "x = 1\n"})}, "outside the target directory|invalid|outside"),
    "penny-source": ({"file": "penny-source-1.0.tar.gz", "data": b"not even an archive"}, "No matching distribution|no matching"),
    "penny-giant": ({"files": {f"penny_giant/{i}.py": b"#" * 900_000 for i in range(8)}}, "bytes"),
    "penny-bomb": ({"files": {"penny_bomb.py": b"#" * 50_000_000}}, "File too large|too large|OSError"),
    "penny-wrong": ({"digest": "0" * 64}, "HASHES"),
    "penny-picky": ({"requires": ["numpy<1"]}, "numpy|ResolutionImpossible|Cannot install"),
    "penny-slow": ({"data": b"PK\x03\x04 broken"}, "invalid|bad|Wheel|not a zip"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_package_is_a_failure_and_nothing_else(client, index, server, name):
    options, reason = HOSTILE[name]
    if name not in index.files:
        index.add(name, "1.0", **options)
    session = client.session()
    why = failure(client, session, name)
    assert re.search(reason, why), why
    assert names(client, session) == [] and not Path("/tmp/penny-evil.py").exists()
    assert install(client, session, "penny-good")["success"]


def test_code_that_wheels_bring_for_the_start_of_an_interpreter_is_not_run(client, index):
    index.add("penny-hook", "1.0", files={"penny_hook.pth": "import sys; sys.penny_was_here = True\n", "sitecustomize.py": "import sys; sys.penny_was_here = True\n",
                                          "usercustomize.py": "import sys; sys.penny_was_here = True\n", "penny_hook.py": "x = 1\n"})
    session = client.session(policy={"profile": "open"}, packages=["penny-hook"])
    assert client.stdout("import sys, penny_hook; print(hasattr(sys, 'penny_was_here'), penny_hook.x)", session) == "False 1\n"
    client.expect(202, "POST", f"/api/v1/sessions/{session}/restart", {})
    assert client.stdout("import sys; print(hasattr(sys, 'penny_was_here'))", session) == "False\n"


def test_a_package_takes_no_module_of_pythons_or_the_services_away(client, index):
    index.add("penny-shadow", "1.0", files={"json.py": "shadow = 1\n", "numpy/__init__.py": "shadow = 1\n", "os.py": "shadow = 1\n", "penny_shadow.py": ""})
    session = client.session(packages=["penny-shadow"])
    assert client.stdout("import json, numpy, penny_shadow; print(hasattr(json, 'shadow'), hasattr(numpy, 'shadow'))", session) == "False False\n"
    assert client.execute("import os", session)["status"] == "rejected"


def test_too_many_packages_for_a_session(client, index):
    for i in range(7):
        index.add("penny-extra", f"{i}.0", requires=[f"penny-part{n}" for n in range(7)])
        index.add(f"penny-part{i}", "1.0")
    session = client.session()
    assert "more packages" in failure(client, session, "penny-extra")
    assert names(client, session) == []


def test_an_index_that_hangs_ends_with_the_time_limit(make_server, index, tmp_path):
    index.hold("/simple/penny-link")
    index.gate.clear()
    index.add("penny-link", "1.0")
    server = make_server(env=environment(index, tmp_path, limits={**LIMITS, "maxInstallTime": 1500})).start()
    session = server.client.session()
    assert "took more than 1500 ms" in failure(server.client, session, "penny-link")
    assert server.client.stdout("print(1)", session) == "1\n"
    index.release()


def test_a_service_that_stops_leaves_no_installation_behind(make_server, index, tmp_path):
    index.hold("/simple/penny-old")
    index.gate.clear()
    index.add("penny-old", "1.0")
    place = tmp_path / "packages"
    server = make_server(env={**environment(index, tmp_path), "SANDBOX_PACKAGE_DIR": str(place), "SANDBOX_DRAIN": "0"}).start()
    session = server.client.session()
    with server.client.open_stream("POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["penny-old"]}) as stream:
        stream.next("progress")
        until(lambda: list((place / "staging").iterdir()), "an installation is under way")
        server.stop()
    assert not (place / "staging").exists() and (place / "layers").exists()
    index.release()


# ---- who, where ----

def test_layers_can_outlive_the_service(make_server, index, tmp_path):
    env = {**environment(index, tmp_path), "SANDBOX_PACKAGE_DIR": str(tmp_path / "packages")}
    for _ in range(2):
        server = make_server(env=env).start()
        session = server.client.session(packages=["penny-good"])
        assert server.client.stdout("import penny_good; print(penny_good.version)", session) == "2.0\n"
        server.stop()
        assert [p.name for p in (tmp_path / "packages/layers").iterdir()] == ["penny-good-2.0"]


@pytest.mark.parametrize("tier", TIERS)
def test_in_every_tier(make_server, index, workplace, tier):
    reason = tier_reason(tier)
    if reason:
        pytest.skip(f"tier {tier}: {reason}")
    place = workplace / f"packages-{tier}"  # not pytest's own place, which another user can't reach
    place.mkdir()
    server = make_server(tier=tier, env=environment(index, place)).start()
    answer = server.client.post("/api/v1/sessions", {"packages": ["penny-needy"]})
    assert answer.status == 201, (answer, server.log())
    session = answer.json["id"]
    assert server.client.stdout("import penny_needy, penny_dependency; print(penny_dependency.version)", session) == "1.5\n"


def test_turned_off(make_server, index, tmp_path):
    server = make_server(env={**environment(index, tmp_path), "ENABLE_PACKAGE_INSTALL": "off"}).start()
    session = server.client.session()
    answer = server.client.expect(403, "POST", "/api/v1/packages/install", {"sessionId": session, "packages": ["penny-good"]})
    assert answer["code"] == "PACKAGES_DISABLED"
    assert all(p["installed"] for p in server.client.expect(200, "GET", "/api/v1/packages")["packages"])
    assert server.client.execute("print(1)", session, packages=["numpy"])["success"]
    assert server.client.execute("print(1)", session, packages=["penny-good"])["status"] == "rejected"


def test_another_keys_session_is_not_there(make_server, index, tmp_path):
    server = make_server(env={**environment(index, tmp_path), "SANDBOX_API_KEYS": "alice:" + "a" * 20 + ",bob:" + "b" * 20}).start()
    alice, bob = ({"Authorization": f"Bearer {c * 20}"} for c in "ab")
    session = server.client.expect(201, "POST", "/api/v1/sessions", {}, headers=alice)["id"]
    body = {"sessionId": session, "packages": ["penny-good"]}
    assert server.client.post("/api/v1/packages/install", body, headers=bob).status == 404
    assert server.client.get(f"/api/v1/packages/session/{session}", headers=bob).status == 404
    assert server.client.post("/api/v1/packages/uninstall", body, headers=bob).status == 404
    assert server.client.post("/api/v1/packages/install", body, headers=alice).json["success"]


def test_the_audit_log_says_what_was_installed(client, server):
    session = client.session()
    install(client, session, "penny-web", force=True)

    def lines():
        return json_lines(server.audit_path)

    until(lambda: any(line["action"] == "packages.layer" and line.get("sessionId") == session and line["installed"] == ["penny-web==1.0"] for line in lines()),
          "the layer is in the log")
    until(lambda: any(line["action"] == "packages.install" and line.get("packages") == ["penny-web"] for line in lines()), "the request is in the log")


def test_the_installer_sees_nothing_of_the_hosts(client, index, server, tmp_path):
    """Its own word for it: the probe runs where pip would, behind the same walls."""
    if os.geteuid() != 0:
        pytest.skip("only root can look into another user's process")
    index.add("penny-source", "2.0")
    index.gate.clear()
    index.hold("/simple/penny-source")
    asked = len(index.asked("/simple/penny-source"))
    with client.open_stream("POST", "/api/v1/packages/install", {"sessionId": client.session(), "packages": ["penny-source"], "force": True}) as stream:
        stream.next("progress")
        until(lambda: len(index.asked("/simple/penny-source")) > asked, "pip runs")
        worker = until(lambda: server.process_named("installer.py"), "its process is seen")
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines() if ":\t" in line)
        variables = {v.split(b"=")[0].decode() for v in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0") if v}
        assert status["Uid"].split()[0] not in ("0", str(os.geteuid())) and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert status["CapEff"] == "0000000000000000" and int(status["CapPrm"], 16) == 0
        assert variables <= {"HOME", "TMPDIR", "PATH", "LANG", *index.env}, variables
        index.release()
        stream.rest()


def test_the_configured_index(make_server, tmp_path):
    """Where pip's own configuration leads; the only test that leaves this machine."""
    configured = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy") or k in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")}
    place = tmp_path / "try"
    done = subprocess.run([ROOT / "build/venv/bin/python", "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--timeout", "10", "--retries", "0", "-d", place,
                           "humanize"], env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), **configured}, capture_output=True, timeout=120)
    shutil.rmtree(place, ignore_errors=True)
    if done.returncode != 0:
        pytest.skip("the index that pip is configured for can't be reached")
    server = make_server(env={**configured, "HOME": os.environ.get("HOME", "/"), "SANDBOX_PROFILE": "standard"}).start()
    session = server.client.session(packages=["humanize"])
    assert server.client.stdout("import humanize; print(humanize.intcomma(1234567))", session) == "1,234,567\n"


def test_the_shipped_policy_is_true():
    """Every rule has its reason, and no name is both allowed and blocked."""
    policy = json.loads((ROOT / "policies/packages.json").read_text())
    assert all(rule["reason"] for rule in policy["packages"] + policy["blocked"])
    assert not {r["name"] for r in policy["packages"]} & {r["name"] for r in policy["blocked"]}


def test_an_interpreter_that_only_root_may_reach(make_server, index, tmp_path):
    """As in a clone in root's home: the installer's user finds it all the same, and nothing else that lies there."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "venv").symlink_to(ROOT / "build/venv")
    (home / "secret").write_text("x")
    policy = environment(index, tmp_path)
    home.chmod(0o700)
    client = make_server(env={**policy, "SANDBOX_PYTHON": str(home / "venv/bin/python"), "SANDBOX_POOL_SIZE": "1"}).start().client
    result = install(client, client.session(), "penny-good")
    assert result["success"] and result["installed"] == ["penny-good==2.0"], result
