"""What every session has installed: the distributions of the virtual environment, asked once by the server of a worker without a user."""

import importlib.metadata
import json
import re

REPLY_PACKAGES = 2000


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _requires(distribution):
    found = {_canonical(re.match(r"[\w.-]+", text)[0]) for text in distribution.requires or () if "extra ==" not in text and "extra==" not in text}
    return sorted(found)


def _links(metadata):
    links = {}
    for line in metadata.get_all("Project-URL") or ():
        label, _, url = line.partition(",")
        links.setdefault(re.sub(r"\W", "", label).lower(), url.strip())
    home = metadata["Home-page"] or links.get("homepage") or links.get("documentation")
    return home, links.get("repository") or links.get("source") or links.get("sourcecode") or links.get("github")


def _license(metadata):
    text = metadata["License-Expression"] or metadata["License"]
    if text and len(text) < 100:
        return text
    kinds = [c.rpartition(" :: ")[2] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    return ", ".join(kinds) or None


def _describe(distribution):
    metadata = distribution.metadata
    home, repository = _links(metadata)
    about = {
        "name": _canonical(metadata["Name"]), "version": distribution.version, "description": metadata["Summary"], "author": metadata["Author"] or metadata["Author-email"],
        "license": _license(metadata), "homepage": home, "repository": repository, "dependencies": _requires(distribution),
        "size": sum(file.size or 0 for file in distribution.files or ()),
    }
    return {name: value[:500] if isinstance(value, str) else value for name, value in about.items() if value is not None}


def answer():
    """REQUEST_INSPECT {"op": "catalogue"}."""
    found = {}
    for distribution in importlib.metadata.distributions():
        if distribution.metadata["Name"]:
            found.setdefault(_canonical(distribution.metadata["Name"]), _describe(distribution))
    return json.dumps({"ok": True, "result": [found[name] for name in sorted(found)[:REPLY_PACKAGES]]}).encode()
