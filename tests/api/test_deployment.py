"""deploy/kubernetes and deploy/cluster: what they name exists, and what belongs together is the same. (Schemas, and the proxies themselves:
make cluster-test.)"""

import json
import re
import subprocess

import pytest
import yaml

from harness import BUILD, ROOT
from harness.kustomize import PROGRAM, build

PLACES = sorted(path.parent for path in (ROOT / "deploy/kubernetes").rglob("kustomization.yaml"))
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
        assert restricted or (local and pod["hostUsers"] is False and set(can["capabilities"]["add"]) == {"SYS_ADMIN", "SETUID", "SETGID"})


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
