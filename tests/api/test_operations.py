"""deploy/operations against the running service: the dashboard and the alerts use metrics that exist, each alert has its page, commands work."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from harness import PROMTOOL, ROOT

PLACE = ROOT / "deploy/operations"
OF_PROMETHEUS = {"up"}
WORDS = {"sum", "by", "rate", "increase", "changes", "histogram_quantile", "topk", "max", "time", "and", "label_values", "instance", "on", "for", "le"}
SELECTOR = re.compile(r"\b([a-z_]+[a-z])\s*(?:\{([^}]*)\})?")
LABEL = re.compile(r'([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')


@pytest.fixture(scope="module")
def exported(server):
    """{metric: {label: {values}}} of a service that has run something, asked something wrong and been asked."""
    server.client.execute("print(1)")
    server.client.get("/no/such/route")
    found = {}
    for line in server.client.get("/metrics").body.decode().splitlines():
        if not line.startswith("#"):
            name, _, labels = line.rsplit(" ", 1)[0].partition("{")
            labels_of = found.setdefault(name, {})
            for key, value in LABEL.findall(labels):
                labels_of.setdefault(key, set()).add(value)
    return found


def alerts():
    return [rule for group in yaml.safe_load((PLACE / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def queries():
    """(where it stands, expression) of each panel and alert."""
    for panel in json.loads((PLACE / "grafana.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for rule in alerts():
        yield f"alert {rule['alert']}", rule["expr"]


def used(expression):
    """(metric, {label: value}) of each selector in a PromQL expression."""
    without_text = re.sub(r"\bby \([^)]*\)", "", expression)
    for name, labels in SELECTOR.findall(without_text):
        if name.startswith("penny_") or (labels and name not in WORDS):
            yield name, dict(LABEL.findall(labels))


@pytest.mark.parametrize("where,expression", list(queries()), ids=lambda v: v if v.startswith(("panel", "alert")) else "")
def test_what_is_asked_for_is_exported(exported, where, expression):
    asked = list(used(expression))
    assert asked, expression
    for metric, labels in asked:
        if metric in OF_PROMETHEUS:
            continue
        assert metric in exported, f"{where}: {metric}"
        for label, value in labels.items():
            assert label == "instance" or label in exported[metric], f"{where}: {metric} has no label {label}"
            if label not in ("instance", "status_code", "level"):
                assert set(value.split("|")) <= exported[metric][label], f"{where}: {metric} has no {label}={value}"
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        for label in re.split(r",\s*", grouping):
            assert label in ("instance", "") or any(label in exported[m] for m, _ in asked), f"{where}: by {label}"


def test_every_metric_is_on_the_dashboard(exported):
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for where, e in queries() if where.startswith("panel") for name, _ in used(e)}
    all_of_them = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported}
    assert all_of_them <= shown, all_of_them - shown


def test_panels_lie_beside_each_other_and_not_on_each_other():
    taken = set()
    panels = json.loads((PLACE / "grafana.json").read_text())["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel["title"]
        taken |= cells


def test_promtool_takes_the_rules_and_their_tests_hold():
    if PROMTOOL is None:
        pytest.skip("promtool (Debian package prometheus) is not here: `deploy/setup.sh prometheus` puts it below build/")
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([PROMTOOL, *command], cwd=PLACE, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways():
    tests = yaml.safe_load((PLACE / "alerts_test.yml").read_text())["tests"]
    for rule in alerts():
        outcomes = [bool(case["exp_alerts"]) for test in tests for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
        assert sorted(outcomes) == [False, True], rule["alert"]


def test_each_alert_has_its_page_and_each_page_its_alert():
    pages = re.findall(r"^## (\w+)\n\*\*Means\*\* .+?\n\*\*See\*\* .+?\n\*\*Do\*\* .+?(?=\n## |\Z)", (PLACE / "runbook.md").read_text(), re.M | re.S)
    assert pages == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"runbook.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("critical", "warning")


def commands(name):
    text = (PLACE / name).read_text()
    found = [line for block in re.findall(r"```bash\n(.*?)```", text, re.S) for line in block.splitlines()] + re.findall(r"`(curl [^`]+)`", text)
    return sorted({line.split("   #")[0].strip() for line in found if "127.0.0.1:3003" in line})


@pytest.mark.parametrize("line", commands("runbook.md"))
def test_the_commands_of_the_runbook(server, line):
    server.client.get("/no/such/route")
    done = subprocess.run(["bash", "-c", line.replace("127.0.0.1:3003", f"127.0.0.1:{server.port}")], capture_output=True, text=True, timeout=60)
    may_find_nothing = "grep" in line  # no missing layer and no 5xx is what one hopes for
    assert done.returncode == 0 or (may_find_nothing and done.returncode == 1), done.stderr
    assert done.stdout or may_find_nothing


def test_backup_and_its_return(tmp_path):
    """The two tar commands of README.md, with what an operator has."""
    kept = {"policies/resources.json": (ROOT / "policies/resources.json").read_text(), "keys": "# one line a key\n", "audit.log": "{}\n"}
    for name, text in kept.items():
        (tmp_path / "etc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "etc" / name).write_text(text)
    (tmp_path / "root").mkdir()
    pack, unpack = [line for line in (PLACE / "README.md").read_text().splitlines() if line.startswith("tar ")]
    env = {**os.environ, "SANDBOX_POLICY_DIR": f"{tmp_path}/etc/policies", "SANDBOX_KEYS_FILE": f"{tmp_path}/etc/keys", "SANDBOX_AUDIT_LOG": f"{tmp_path}/etc/audit.log",
           "ROOT": f"{tmp_path}/root"}
    for command in (pack, unpack):
        subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, check=True, timeout=60)
    for name, text in kept.items():
        assert (tmp_path / "root" / str(tmp_path).lstrip("/") / "etc" / name).read_text() == text


def test_capacity(server):
    plan = subprocess.run([sys.executable, str(PLACE / "capacity.py"), "plan", "--memory", "16G", "--idle", "1.3", "--used", "9"], capture_output=True, text=True, check=True, timeout=60)
    told = re.search(r"16 GB, 1 GB kept back, 1.3 MB idle, 9 MB used and three sessions of ten in use: (\d+) sessions", (PLACE / "capacity.md").read_text())
    assert plan.stdout.startswith(f"{told[1]} sessions: ")
    measured = subprocess.run([sys.executable, str(PLACE / "capacity.py"), "measure", "--url", server.url, "--sessions", "1"], capture_output=True, text=True, check=True, timeout=120)
    assert [line.split(":")[0].strip() for line in measured.stdout.splitlines()] == ["idle", "used", "plot"]
