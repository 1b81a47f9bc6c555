"""deploy/kubernetes and deploy/cluster: what they name exists, and what belongs together is the same. (Schemas, and the proxies themselves:
make cluster-test.)"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from harness import BUILD, ROOT, free_port, tiers, until
from harness.kustomize import PROGRAM, build

sys.path.insert(0, str(ROOT / "tests/container"))
import lines  # noqa: E402

PLACES = sorted(path.parent for path in (ROOT / "deploy/kubernetes").rglob("kustomization.yaml"))
KEY = "penny_alice_0123456789abcdef"
NAMES = [str(place.relative_to(ROOT / "deploy/kubernetes")) for place in PLACES]


@pytest.fixture(scope="module", params=PLACES, ids=NAMES)
def objects(request):
    if not PROGRAM.exists():
        pytest.skip("kustomize is not here (on x86-64: deploy/setup.sh modules tests/kustomize)")
    return build(request.param)


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def instance(objects):
    [one] = of_kind(objects, "StatefulSet")
    return one, one["spec"]["template"]["spec"], one["spec"]["template"]["spec"]["containers"][0]


def matching(selector, objects):
    """Pods' templates that a selector means."""
    wanted = selector.get("matchLabels", selector)
    return [one for one in objects if "template" in one.get("spec", {}) and wanted.items() <= one["spec"]["template"]["metadata"]["labels"].items()]


def test_selectors_and_references_meet_something(objects):
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    for one in objects:
        spec, kind = one.get("spec", {}), one["kind"]
        if kind in ("StatefulSet", "Deployment", "PodDisruptionBudget"):
            assert matching(spec["selector"], objects), one["metadata"]["name"]
        if kind == "Service":
            [target] = matching(spec["selector"], objects)
            ports = {port["name"] for c in target["spec"]["template"]["spec"]["containers"] for port in c["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        if kind == "NetworkPolicy":
            assert matching(spec["podSelector"], objects)
        if kind == "HorizontalPodAutoscaler":
            assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) in names
        if kind == "ServiceMonitor":
            [service] = [s for s in of_kind(objects, "Service") if spec["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items()]
            assert {end["port"] for end in spec["endpoints"]} <= {port["name"] for port in service["spec"]["ports"]}
        if "template" in spec:
            for volume in spec["template"]["spec"].get("volumes", []):
                assert "configMap" not in volume or ("ConfigMap", volume["configMap"]["name"]) in names
            for container in spec["template"]["spec"]["containers"]:
                mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
                assert mounts <= {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    stateful, _, _ = instance(objects)
    assert ("Service", stateful["spec"]["serviceName"]) in names
    assert len(names) == len(objects)


def test_options_metrics_and_commands_are_the_service_s(objects, client):
    stateful, pod, container = instance(objects)
    manual = json.loads(subprocess.run([BUILD / "penny-sandbox", "--help=json"], capture_output=True, text=True, check=True).stdout)
    known = {option["environment"] for option in manual["options"]} | {"SANDBOX_OPERATOR_KEY"}
    environment = {one["name"]: one.get("value") for one in container["env"]}
    assert set(environment) <= known, set(environment) - known
    metrics = client.get("/metrics").body.decode()
    [scaler] = of_kind(objects, "HorizontalPodAutoscaler")
    for one in scaler["spec"]["metrics"]:
        assert re.search(rf"(?m)^{one['pods']['metric']['name']} ", metrics), one
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert client.get(container[probe]["httpGet"]["path"]).status == 200
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command[:2] == ["penny-sandbox", "drain"]
    options = dict(zip(command[2::2], command[3::2]))
    said = subprocess.run([BUILD / "penny-sandbox", "drain", "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"  {option} " in said for option in options)
    drain_s = int(environment["SANDBOX_DRAIN"].removesuffix("s"))
    assert pod["terminationGracePeriodSeconds"] >= int(options["--timeout"]) + drain_s, "or it is killed while it is drained"
    port = int(environment["SANDBOX_PORT"])
    assert options["--server"] == f"http://127.0.0.1:{port}" and {"name": "http", "containerPort": port} in container["ports"]
    [router] = [s for s in of_kind(objects, "Service") if s["metadata"]["name"] == stateful["metadata"]["name"]]
    assert options["--to"] == f"http://{router['metadata']['name']}:{router['spec']['ports'][0]['port']}"
    assert router["metadata"]["name"] in environment["SANDBOX_ALLOWED_HOSTS"].split(",")


def test_a_pod_says_what_it_requires_of_its_isolation(objects):
    _, pod, container = instance(objects)
    local = pod["securityContext"]["seccompProfile"]["type"] == "Localhost"
    required = {one["name"]: one.get("value") for one in container["env"]}["SANDBOX_REQUIRE_ISOLATION"]
    can = container["securityContext"]
    restricted = can["capabilities"] == {"drop": ["ALL"]} and not can["allowPrivilegeEscalation"] and pod["securityContext"]["runAsNonRoot"]
    if pod.get("runtimeClassName") == "gvisor":
        assert required == "none" and restricted
    else:
        assert required == ("full" if not restricted else "namespace" if local else "process")
        [flags, _] = lines.LINES["Full"]
        assert restricted or (local and set(can["capabilities"]["add"]) == {flags[i + 1] for i, flag in enumerate(flags) if flag == "--cap-add"}), "as it was tested"
        # what the API server refuses: Unmasked without a user namespace; and what could never be full: there sessions' users are not to be had
        assert "procMount" not in can and "hostUsers" not in pod


def volumes(pod, container, directory, group):
    """{mountPath: directory} of the pod's volumes, as the kubelet makes them: they are root's, and the pod's group may write them. A Secret's files are links."""
    places = {}
    for mount in container["volumeMounts"]:
        [volume] = [v for v in pod["volumes"] if v["name"] == mount["name"]]
        place = places[mount["mountPath"]] = directory / f"volume-{mount['name']}"
        place.mkdir()
        if "secret" in volume:
            (place / "..data").mkdir()
            for item in volume["secret"]["items"]:
                file = place / "..data" / item["key"]
                file.write_text(f"alice:{hashlib.sha256(KEY.encode()).hexdigest()}\n")
                (place / item["path"]).symlink_to(f"..data/{item['key']}")
                os.chown(file, -1, group)
                file.chmod(volume["secret"]["defaultMode"])
        else:
            os.chown(place, -1, group)
            place.chmod(0o2777)
    return places


def test_a_pod_starts(objects, make_server, client):
    """With its user's rights, capabilities, settings and volumes (the image and the runtime's own filter are container-test's): it serves, in the tier it requires."""
    _, pod, container = instance(objects)
    can, environment = container["securityContext"], {one["name"]: one.get("value") for one in container["env"]}
    tier = {"full": "root", "namespace": "user"}.get(environment["SANDBOX_REQUIRE_ISOLATION"], "process")
    reason = "only root starts others" if os.geteuid() != 0 else tiers.tier_reason(tier)
    if reason:
        pytest.skip(reason)
    server = make_server(tier=tier)
    group = 0 if tier == "root" else tiers.uid(tier)
    if tier == "root":
        environment["SANDBOX_REQUIRE_ISOLATION"] = client.health()["isolation"]["level"]  # of root on this very machine
    places = volumes(pod, container, server.directory, group)
    for name, value in environment.items():
        below = [path for path in places if f"{value}/".startswith(f"{path}/")]
        server.env[name] = str(places[below[0]]) + value[len(below[0]):] if below else value
    server.env.update(SANDBOX_INSTANCE="penny-sandbox-1", SANDBOX_PORT=None, SANDBOX_OPERATOR_KEY=None, TMPDIR=str(places["/tmp"]), SANDBOX_POOL_SIZE="1")
    kept = ",".join(["-all", "+dac_override", *(f"+{name.lower()}" for name in can["capabilities"].get("add", []))])  # a container's group has an owner who may write it, a machine's perhaps not
    server.args = ["--no-new-privs", f"--bounding-set={kept}", str(server.executable)] if tier == "root" else []
    server.executable = shutil.which("setpriv") if tier == "root" else server.executable
    server.args.append(f"--port={free_port()}")
    server.launch(int(server.args[-1].partition("=")[2]))
    until(server.answers, "the pod's readiness probe is content", 60)
    made = server.client.post("/api/v1/execute", {"code": "print(6 * 7)"}, headers={"X-API-Key": KEY, "Host": "penny-sandbox.default.svc.cluster.local:8080"})
    assert made.status == 200 and made.json["output"]["stdout"] == "42\n" and made.json["sessionId"].startswith("0001"), made
    assert server.client.get("/api/v1/sessions").status == 401
    assert server.client.get("/metrics", headers={"X-API-Key": KEY, "Host": "10.1.2.3:3003"}).status == 200, "as Prometheus asks, and the probes: by the pod's address"


def test_what_a_killed_service_left_in_its_volume_goes_with_the_next_start(make_server):
    """Where sessions' files are on the disk: a container that is started again has the former one's volume. Not what a service has that lives."""
    reason = tiers.tier_reason("process")
    if reason:
        pytest.skip(reason)
    server, beside = make_server(tier="process"), make_server(tier="process")
    beside.state = server.state
    server.start()
    server.client.stdout("open('left', 'w').write('x')\n__import__('os').makedirs('a/b')\n__import__('os').symlink('/', 'a/link')", server.client.session())
    assert list(server.state.glob("s*/workspace/left"))
    beside.start()
    beside.stop()
    [directory] = [path.parents[1] for path in server.state.glob("s*/workspace/left")]
    server.kill()
    assert directory.exists()
    server.start()
    assert not directory.exists()


def test_the_proxies_know_the_same_things():
    texts = {name: (ROOT / "deploy" / name).read_text() for name in ("cluster/haproxy.cfg", "cluster/nginx.conf", "cluster/envoy.yaml", "kubernetes/base/haproxy.cfg")}
    for name, text in texts.items():
        lower = text.lower().replace("_", "-")
        assert all(header in lower for header in ("x-session-id", "e2b-sandbox-id", "mcp-session-id")), name
        for code in ("OPERATOR_NEEDED", "INSTANCE_DOWN"):
            assert code in text, (name, code)
        for body in re.findall(r"'(\{\"statusCode.*?\})'", text):
            said = json.loads(body)
            assert {"statusCode", "code", "error", "message"} <= set(said)
    for name in ("cluster/haproxy.cfg", "cluster/nginx.conf", "cluster/envoy.yaml"):
        assert {int(n) for n in re.findall(r"instance-(\d+)\b", texts[name].replace("port_value: ", ""))} == {0, 1, 2}, name
    assert yaml.safe_load(texts["cluster/envoy.yaml"])["static_resources"]["clusters"][0]["lb_policy"] == "LEAST_REQUEST"
