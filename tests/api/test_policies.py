"""policies/*.json: what is written there holds; what is wrong there stops the start with file, line and reason."""

import json
import re

import pytest

from harness import ServerFailed, write_policies

MINIMAL = {  # as in the PENNY document
    "imports": {"allowed": ["numpy", "pandas", "matplotlib"], "blocked": ["os", "sys", "subprocess"],
                "restricted": {"builtins": {"allowed": ["print", "len", "range"], "blocked": ["eval", "exec", "__import__"]}}},
    "resources": {"memory": {"maxMemoryPerSession": 536870912}, "cpu": {"maxCpuPercentage": 50, "maxExecutionTime": 30000},
                  "storage": {"maxFileSize": 10485760, "maxTotalStorage": 104857600}},
    "filesystem": {"allowedPaths": ["/tmp", "/workspace"], "blockedPaths": ["/etc", "/root", "/home"], "readOnlyPaths": ["/usr", "/lib"]},
}


def test_minimal_files_load(make_server, tmp_path):
    policies = write_policies(tmp_path)
    for name, content in MINIMAL.items():
        (tmp_path / "policies" / f"{name}.json").write_text(json.dumps(content, indent=2))
    server = make_server(env={"SANDBOX_POLICY_DIR": policies, "SANDBOX_PROFILE": "standard"}).start()
    assert server.client.stdout("import numpy as np\nprint(np.array([1, 2, 3]))") == "[1 2 3]\n"
    refused = server.client.execute("import os")
    assert refused["success"] is False and refused["status"] in ("rejected", "error"), refused
    assert "os" in refused["error"]["message"]


@pytest.mark.parametrize("name,content,line,reason", [
    ("imports", '{\n  "allowed": ["numpy",\n}', 3, ""),
    ("imports", '{\n  "allowed": "numpy"\n}', 2, "allowed"),
    ("imports", '{\n  "allowed": [],\n  "blocked": [1]\n}', 3, "blocked"),
    ("resources", '{\n  "memory": {\n    "maxMemoryPerSession": "much"\n  }\n}', 3, "maxMemoryPerSession"),
    ("resources", '{\n  "cpu": {\n    "maxExecutionTime": -1\n  }\n}', 3, "maxExecutionTime"),
    ("resources", '{\n  "cpu": 7\n}', 2, "cpu"),
    ("filesystem", '{\n  "allowedPaths": {}\n}', 2, "allowedPaths"),
    ("syscalls", '{\n  "x": \n', None, ""),
    ("resources", "", None, ""),
    ("resources", "[]", None, ""),
])
def test_a_wrong_file_is_refused_with_file_line_and_reason(make_server, tmp_path, name, content, line, reason):
    policies = write_policies(tmp_path)
    path = tmp_path / "policies" / f"{name}.json"
    path.write_text(content)
    with pytest.raises(ServerFailed) as failed:
        make_server(env={"SANDBOX_POLICY_DIR": policies}).start()
    assert failed.value.code not in (0, None)
    place = re.search(rf"{name}\.json:(\d+): \S.*", failed.value.log)
    assert place, failed.value.log
    if line is not None:
        assert int(place.group(1)) == line, failed.value.log
    assert reason in place.group(0)


def test_a_missing_file_is_refused_by_name(make_server, tmp_path):
    with pytest.raises(ServerFailed) as failed:
        make_server(env={"IMPORTS_POLICY_FILE": str(tmp_path / "absent.json")}).start()
    assert "absent.json" in failed.value.log


def test_a_file_that_a_directory_does_not_have_is_the_shipped_one(make_server, tmp_path):
    policies = write_policies(tmp_path)
    (tmp_path / "policies" / "syscalls.json").unlink()
    with make_server(env={"SANDBOX_POLICY_DIR": policies}) as server:
        assert server.client.health()["isolation"]["layers"]["seccomp"]["active"]


def test_each_file_can_be_named_alone(make_server, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"cpu": {"maxExecutionTime": 250}}))
    path.chmod(0o644)
    server = make_server(env={"RESOURCES_POLICY_FILE": str(path)}).start()
    assert server.client.execute("import time\ntime.sleep(1000)")["error"]["message"] == "Execution timeout after 250ms"


def test_limits_come_from_the_files(make_server, tmp_path):
    policies = write_policies(tmp_path, resources={"cpu": {"maxExecutionTime": 400, "maxExecutionTimeLimit": 2000}, "execution": {"maxCodeLength": 50}},
                              filesystem={"quotas": {"global": {"maxConcurrentSessions": 2}}})
    server = make_server(env={"SANDBOX_POLICY_DIR": policies}).start()
    client = server.client
    session = client.session()
    assert client.execute("import time\ntime.sleep(1000)", session)["error"]["message"] == "Execution timeout after 400ms"
    assert client.post("/api/v1/execute", {"code": "1", "sessionId": session, "timeout": 2001}).status == 400
    assert client.post("/api/v1/execute", {"code": "1" * 51, "sessionId": session}).status == 400
    other = client.session()
    full = client.post("/api/v1/sessions", {})
    assert full.status in (429, 503) and int(full.headers["retry-after"]) > 0, full
    client.delete_session(other)
    client.delete_session(client.session())


def test_the_standard_profile_refuses_what_the_file_blocks(standard_server):
    client = standard_server.client
    for code, word in (("import os", "os"), ("import subprocess", "subprocess"), ("from os import path", "os"), ("x = 1; import sys", "sys"), ("import math, os", "os"),
                       ("eval('1')", "eval"), ("__import__('os')", "os")):
        result = client.execute(code)
        assert result["success"] is False and result["status"] in ("rejected", "error"), (code, result)
        assert word in result["error"]["message"], (code, result)
        client.delete_session(result["sessionId"])


@pytest.mark.parametrize("code", [
    "if __name__ == '__main__':\n    print('x')", "class A:\n    def __init__(self): self.x = 1\nprint('x', A().x)", "import re\nprint('x', re.compile('a').pattern)",
    "import pandas as pd\nprint('x', pd.DataFrame({'a': [1]}).eval('a + 1')[0])", "direction = 'up'\nprint('x')", "# os.system('rm')\nprint('x')",
    "from urllib.parse import quote\nprint('x', quote('é'))", "from base64 import b64encode\nprint('x', b64encode(b'a'))", "from hashlib import sha256\nprint('x')",
    "import statistics\nprint('x', statistics.mean([1, 2]))", "import matplotlib.pyplot as plt\nplt.plot([1])\nprint('x')", "import numpy.linalg\nprint('x')",
])
def test_the_standard_profile_lets_through_what_is_fine(standard_server, code):
    result = standard_server.client.execute(code)
    assert result["success"] and result["output"]["stdout"].startswith("x"), result
    standard_server.client.delete_session(result["sessionId"])
