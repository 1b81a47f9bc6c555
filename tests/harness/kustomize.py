"""As much of `kustomize build` as deploy/kubernetes uses: resources, labels, images, generated config maps, and patches that are merged as
Kubernetes merges them (maps by name, lists of named things by name, other lists replaced)."""

import hashlib

import yaml

FIELDS = {"apiVersion", "kind", "resources", "labels", "configMapGenerator", "images", "patches"}


def load(path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one is not None]


def merged(old, new):
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old[key], value) if key in old else value for key, value in new.items()}}
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(one, dict) and "name" in one for one in old + new):
        out = {one["name"]: one for one in old}
        for one in new:
            out[one["name"]] = merged(out[one["name"]], one) if one["name"] in out else one
        return list(out.values())
    return new


def _pods(one):
    return one.get("spec", {}).get("template", {}).get("spec")


def _maps(directory, generators, objects):
    """Generated config maps carry a hash of their content in their names, and who names them is told."""
    for generator in generators:
        data = {name: (directory / name).read_text() for name in generator["files"]}
        name = f"{generator['name']}-{hashlib.sha256(str(data).encode()).hexdigest()[:10]}"
        used = 0
        for one in objects:
            for volume in (_pods(one) or {}).get("volumes", []):
                if volume.get("configMap", {}).get("name") == generator["name"]:
                    volume["configMap"]["name"] = name
                    used += 1
        assert used, f"nobody uses the config map {generator['name']}"
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})


def build(directory):
    """The objects of a kustomization."""
    [whole] = load(directory / "kustomization.yaml")
    assert whole["kind"] == "Kustomization" and set(whole) <= FIELDS, set(whole) - FIELDS
    objects = []
    for name in whole["resources"]:
        place = (directory / name).resolve()
        objects += build(place) if place.is_dir() else load(place)
    for patch in whole.get("patches", []):
        [wanted] = load(directory / patch["path"])
        [at] = [n for n, one in enumerate(objects) if (one["kind"], one["metadata"]["name"]) == (wanted["kind"], wanted["metadata"]["name"])]
        objects[at] = merged(objects[at], wanted)
    _maps(directory, whole.get("configMapGenerator", []), objects)
    for one in objects:
        for label in whole.get("labels", []):
            one["metadata"].setdefault("labels", {}).update(label["pairs"])
        for container in (_pods(one) or {}).get("containers", []):
            for image in whole.get("images", []):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
    return objects
