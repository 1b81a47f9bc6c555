"""What is deployed, held against the published schemas: check_configuration.py. Kubernetes' objects (kubernetes-validate has those of each
version), as kustomize makes them; Envoy's configuration against Envoy's own protocol buffers (xds-protos). For ServiceMonitor, whose
schema no package has, the fields that are used are compared with the published ones by name."""

import sys
from pathlib import Path

import kubernetes_validate
import yaml
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401  found by its name in the configuration
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2  # noqa: F401
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2  # noqa: F401
from google.protobuf import json_format

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.kustomize import build  # noqa: E402

VERSIONS = ("1.30", "1.33", kubernetes_validate.latest_version())
MONITOR = {"spec": {"selector": {"matchLabels": ...}, "endpoints": [{"port": ..., "path": ..., "interval": ..., "authorization": {"credentials": {"name": ..., "key": ...}}}]}}


def known(value, shape, where):
    if shape is ...:
        return
    if isinstance(shape, list):
        for one in value:
            known(one, shape[0], where)
        return
    for name, one in value.items():
        assert name in shape, f"{where}.{name} is no field of it"
        known(one, shape[name], f"{where}.{name}")


def check_kubernetes(directory):
    objects = build(directory)
    for one in objects:
        if one["apiVersion"].startswith("monitoring.coreos.com/"):
            known({"spec": one["spec"]}, MONITOR, one["kind"])
            continue
        for version in VERSIONS:
            kubernetes_validate.validate(one, version, strict=True)
    print(f"{directory.relative_to(ROOT)}: {len(objects)} objects are right in Kubernetes {', '.join(VERSIONS)}")


def check_envoy():
    parsed = json_format.ParseDict(yaml.safe_load((ROOT / "deploy/cluster/envoy.yaml").read_text()), bootstrap_pb2.Bootstrap())
    names = {cluster.name for cluster in parsed.static_resources.clusters}
    manager = http_connection_manager_pb2.HttpConnectionManager()
    assert parsed.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.Unpack(manager)
    routes = manager.route_config.virtual_hosts[0].routes
    assert {route.route.cluster for route in routes if route.HasField("route")} == names
    print(f"deploy/cluster/envoy.yaml: {len(routes)} routes to {len(names)} clusters, right by Envoy's protocol buffers")


def main():
    for directory in sorted(path.parent for path in (ROOT / "deploy/kubernetes").rglob("kustomization.yaml")):
        check_kubernetes(directory)
    check_envoy()


if __name__ == "__main__":
    main()
