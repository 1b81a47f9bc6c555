"""server/openapi.yaml as compact JSON, written as the bytes of a C array: openapi.py FROM TO"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, and leaves dates as the text they are."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice and not getattr(node, "merged", False):
            raise yaml.MarkedYAMLError(problem=f"twice in one mapping: {', '.join(sorted(twice))}", problem_mark=node.start_mark)
        node.merged = True  # merging writes what it merges into the node itself, and the node may be constructed again
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def check_references(value, document):
    """Each $ref names something in the document."""
    if isinstance(value, list):
        for item in value:
            check_references(item, document)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            place = document
            for part in value["$ref"].removeprefix("#/").split("/"):
                place = place[part]
        for item in value.values():
            check_references(item, document)


def main(source, target):
    with open(source, encoding="utf-8") as file:
        document = yaml.load(file, Loader)
    check_references(document, document)
    data = json.dumps({k: v for k, v in document.items() if k != "x-every"}, ensure_ascii=False, separators=(",", ":")).encode()
    with open(target, "w", encoding="ascii") as file:
        for start in range(0, len(data), 32):
            file.write(",".join(map(str, data[start : start + 32])) + ",\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
