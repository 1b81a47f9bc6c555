"""One installation, in a process of its own (server/installer.c): pip as a tool, then one directory per distribution.

Run as a script by the virtual environment's interpreter, jailed, as nobody, with a directory to work in. It gets the job on standard input
and says what it does on standard output, one JSON object a line. What it leaves in `layers` is looked at by who started it before any
session sees it. No session ever imports this file.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TICK = 0.2
LOG_CHARACTERS = 500
PIP = ["install", "--only-binary", ":all:", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--no-warn-script-location", "--disable-pip-version-check"]


class Refused(Exception):
    """[(package, why)]"""


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def preinstalled():
    return {canonicalize_name(d.metadata["Name"]): d.version for d in importlib.metadata.distributions() if d.metadata["Name"]}


class Rules:
    def __init__(self, document):
        self.packages = {canonicalize_name(rule["name"]): rule for rule in document.get("packages", ())}
        self.blocked = {canonicalize_name(rule["name"]): rule.get("reason", "") for rule in document.get("blocked", ())}
        self.listed = document.get("dependencies") == "listed"

    def specifier(self, name):
        return SpecifierSet(self.packages[name].get("versions", ""))

    def judge(self, requirement):
        """Why it may not be installed, or None."""
        name = canonicalize_name(requirement.name)
        if name in self.blocked:
            return f"it is blocked: {self.blocked[name]}"
        if name not in self.packages:
            return "it is not on the list of allowed packages"
        for part in requirement.specifier:
            if part.operator == "==" and not part.version.endswith(".*") and not self.specifier(name).contains(part.version, prereleases=True):
                return f"version {part.version} is not allowed; allowed: {self.specifier(name) or 'any'}"
        return None

    def judge_dependency(self, name, version):
        if name in self.blocked:
            return f"the dependency {name} is blocked: {self.blocked[name]}"
        if self.listed and (name not in self.packages or not self.specifier(name).contains(version, prereleases=True)):
            return f"the dependency {name} {version} is not on the list of allowed packages"
        return None


def judge_all(texts, rules, present):
    """(requirements for pip, [(name, version)] that are there already). Raises Refused."""
    wanted, there, refused = [], [], []
    for text in texts:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name in present:
            if requirement.specifier.contains(present[name], prereleases=True):
                there.append((name, present[name]))
            else:
                refused.append((text, f"every session has {name} {present[name]}, which is imported already and can't be replaced"))
            continue
        why = rules.judge(requirement)
        if why:
            refused.append((text, why))
            continue
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        wanted.append(f"{name}{extras}{requirement.specifier & rules.specifier(name)}")
    if refused:
        raise Refused(refused)
    return wanted, there


class Download(threading.Thread):
    """Says how much of a file has come, by looking at it: pip without a terminal does not."""

    def __init__(self, place):
        super().__init__(daemon=True)
        self.place, self.package, self.total, self.said, self.over = place, None, None, -1, threading.Event()

    def begin(self, package, total):
        self.package, self.total, self.said = package, total, -1

    def run(self):
        while not self.over.wait(TICK):
            sizes = []
            for path in self.place.glob("pip-unpack-*/*"):
                try:
                    sizes.append(path.stat().st_size)
                except OSError:
                    continue
            if self.package and sizes and max(sizes) != self.said:
                self.said = max(sizes)
                say("progress", phase="downloading", package=self.package, bytes=self.said, total=self.total)


def bytes_of(text):
    found = re.search(r"\(([0-9.]+) (bytes|kB|MB|GB)\)$", text)
    return round(float(found[1]) * {"bytes": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}[found[2]]) if found else None


def follow(line, download):
    text = line.strip()
    if text.startswith("Collecting "):
        say("progress", phase="resolving", package=text.split()[1])
    elif text.startswith("Downloading "):
        file = text.split()[1].rpartition("/")[2]
        say("progress", phase="downloading", package=file, bytes=0, total=bytes_of(text))
        download.begin(file, bytes_of(text))
    elif text.startswith("Installing collected packages: "):
        say("progress", phase="installing", package=text.partition(": ")[2])


def run_pip(wanted, constraints, place):
    """Returns what pip complained of, [] when it succeeded."""
    (place / "constraints.txt").write_text("".join(f"{name}=={version}\n" for name, version in constraints.items()))
    command = [sys.executable, "-I", "-m", "pip", *PIP, "--prefix", str(place / "prefix"), "--constraint", str(place / "constraints.txt"), "--", *wanted]
    download, complaints, broken = Download(place / "tmp"), [], ""
    download.start()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as pip:
        for line in pip.stdout:
            line = line.rstrip().replace(str(place), "")[:LOG_CHARACTERS]
            if complaints and complaints[-1] == "Exception:" or broken:
                broken = line  # pip's own traceback, which says more of this host than of the package; its last line is the reason
                continue
            say("log", line=line)
            follow(line, download)
            if line.startswith("ERROR: "):
                complaints.append(line[7:])
    if broken:
        complaints[-1] = broken
    download.over.set()
    download.join()
    return [] if pip.returncode == 0 else complaints or [f"pip ended with status {pip.returncode}"]


def blame(texts, complaints):
    """Those of the wanted packages that a complaint names; all of them where none does."""
    why = " ".join(complaints)
    named = [t for t in texts if re.search(rf"(?<![\w.-]){re.escape(Requirement(t).name)}(?![\w-])", why, re.IGNORECASE)]
    return [(t, why) for t in named or texts]


def module_of(path):
    """The importable name that a file of a distribution is or lies in; None for what is neither module nor package."""
    top, _, rest = path.partition("/")
    if rest:
        name = top
    elif top.endswith((".py", ".so")):
        name = top.partition(".")[0]
    else:
        return None
    return name if name.isidentifier() and name != "__pycache__" else None


def make_layer(distribution, site, layers):
    """Moves the files of one distribution into a directory of its own. Scripts and data outside of the modules stay behind."""
    name, version = canonicalize_name(distribution.metadata["Name"]), distribution.version
    layer, modules, size, count = f"{name}-{version}", set(), 0, 0
    for file in distribution.files or ():
        path = os.path.normpath(file)
        source, target = site / path, layers / layer / path
        if path.startswith(("..", "/")) or not source.is_file() or source.is_symlink():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        size, count = size + source.stat().st_size, count + 1
        source.rename(target)
        modules.add(module_of(path))
    return {
        "name": name, "version": version, "layer": layer, "size": size, "files": count, "topLevel": sorted(modules - {None}),
        "requested": False,
        "summary": (distribution.metadata["Summary"] or "")[:300],
    }


def requires_of(distribution):
    found = []
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(canonicalize_name(requirement.name))
    return sorted(set(found))


def make_layers(rules, place):
    layers = place / "layers"
    layers.mkdir()
    made = []
    for site in place.glob("prefix/lib*/python*/site-packages"):
        for distribution in list(importlib.metadata.distributions(path=[str(site)])):
            name = canonicalize_name(distribution.metadata["Name"])
            why = rules.judge_dependency(name, distribution.version) if name not in rules.packages else None
            if why:
                raise Refused([(name, why)])
            requires = requires_of(distribution)
            made.append({**make_layer(distribution, site, layers), "requires": requires})
    if not made:
        raise Refused([("", "pip has installed nothing")])
    return made


def main(place):
    job = json.load(sys.stdin)
    rules = Rules(json.loads((place / "rules.json").read_text()))
    base = preinstalled()
    texts = job["requirements"]
    try:
        say("progress", phase="resolving", package=", ".join(texts))
        wanted, there = judge_all(texts, rules, base)
        made = []
        if wanted:
            names = {canonicalize_name(Requirement(w).name) for w in wanted}
            constraints = base | {n: v for n, v in job.get("present", {}).items() if n not in names}
            complaints = run_pip(wanted, constraints, place)
            if complaints:
                raise Refused(blame(texts, complaints))
            made = make_layers(rules, place)
            for layer in made:
                layer["requested"] = layer["name"] in names
    except Refused as refused:
        say("failed", failures=[{"package": package, "error": why} for package, why in refused.args[0]])
        return 1
    say("resolved", packages=made, satisfied=[{"name": n, "version": v} for n, v in there])
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
