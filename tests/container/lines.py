"""The lines of `docker run` that deploy/container/README.md shows, and the flags of deploy/compose.yaml as such a line."""

import re
import shlex

import yaml

from harness import ROOT

README = ROOT / "deploy/container/README.md"
LEVELS = {"PENNY's own line": "process", "Without any privilege": "namespace", "Full": "full"}


def documented(title):
    """The words of `docker run` below this heading of the README: its flags, and what stands behind the image's name."""
    text = re.search(rf"^## {re.escape(title)}\n```bash\n(.*?)```", README.read_text(), re.M | re.S).group(1)
    words = shlex.split(text.replace("\\\n", " "))
    assert words[:2] == ["docker", "run"] and "penny-sandbox:latest" in words
    image = words.index("penny-sandbox:latest")
    return words[2:image], words[image + 1:]


def composed():
    """The same, of the service in compose.yaml."""
    service = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["penny-sandbox"]
    words = ["--memory", service["mem_limit"], f"--cpus={service['cpus']}", f"--pids-limit={service['pids_limit']}"]
    words += ["--read-only"] if service["read_only"] else []
    for flag, values in (("--tmpfs", service["tmpfs"]), ("--cap-drop", service["cap_drop"]), ("-e", [f"{k}={v}" for k, v in service["environment"].items()])):
        words += [word for value in values for word in (flag, value)]
    for option in service["security_opt"]:
        words += ["--security-opt", option.replace("seccomp=", "seccomp=deploy/")]  # compose reads it beside its own file
    return words, service["command"]


LINES = {title: documented(title) for title in LEVELS} | {"compose": composed()}
LEVEL = LEVELS | {"compose": "namespace"}
