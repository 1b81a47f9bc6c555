"""The examples of the four documents, taken from the documents and run as printed, by the programs that they are for: curl, node, a shell."""

import json
import re
import shutil
import subprocess

import pytest

from harness import ROOT, until
from harness.seeds import blocks, document

PORTS = {"flask.md": 8080, "secure-python-sandbox.md": 8000, "aevatar.md": 5000, "penny.md": 3003}
SECONDS = 120


def curl_commands(text):
    """Each curl command of the document, with all its lines, as printed."""
    return [block[block.index("curl "):] for block in blocks(text, "bash") if re.search(r"^curl ", block, re.MULTILINE)]


def run_curl(server, port, command, directory):
    """Runs it in a shell. Only curl's own configuration says that localhost:PORT is at our server's port."""
    (directory / ".curlrc").write_text(f'connect-to = "localhost:{port}:127.0.0.1:{server.port}"\nsilent\nshow-error\n')
    ran = subprocess.run(["sh", "-c", command], env={"PATH": "/usr/bin:/bin", "CURL_HOME": str(directory)}, capture_output=True, text=True, timeout=SECONDS)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def run_all(server, name, directory):
    commands = curl_commands(document(name))
    assert all(f"localhost:{PORTS[name]}" in command for command in commands)
    return [run_curl(server, PORTS[name], command, directory) for command in commands]


def test_flask(standard_server, tmp_path):
    simple, analysis = run_all(standard_server, "flask.md", tmp_path)
    assert (simple["status"], simple["output"]) == ("Success", "Hello, World!\n")
    expected = re.search(r"Expected output:\n```\n(.*?)```", document("flask.md"), re.DOTALL).group(1)
    assert analysis["status"] == "Success"
    assert [line for line in expected.splitlines() if line.endswith(":")] == [line for line in analysis["output"].splitlines() if line.endswith(":")]
    shape = json.loads(next(b for b in blocks(document("flask.md"), "json") if '"output"' in b))
    assert set(shape) <= set(simple) and simple["status"] in shape["status"].split("|")


def test_flask_s_environment(make_server):
    settings = dict(re.findall(r'^(\w+)=(.*)$', blocks(document("flask.md"), "env")[0], re.MULTILINE))
    assert settings["EXECUTION_TIMEOUT"] == "30"
    server = make_server(env={**settings, "SANDBOX_PROFILE": "standard"}).start()
    imports = " ".join(settings["PREINSTALL_LIBS"].strip('"').split()).replace("scikit-learn", "sklearn").split()
    for name in imports:
        answer = server.client.expect(200, "POST", "/api/execute", {"code": f"import {name}\nprint('there')"})
        assert answer["output"] == "there\n" or "No module named" in answer["output"], "either it is there, or the answer says that it is not"


def test_secure_python_sandbox(standard_server, tmp_path):
    index, executed = run_all(standard_server, "secure-python-sandbox.md", tmp_path)
    assert index["status"] == "ok"
    assert executed == {"stdout": "Hello, World!", "stderr": "", "return_code": 0, "output_files": {}}


def test_secure_python_sandbox_s_environment(make_server):
    settings = dict(re.findall(r"^(SANDBOX_\w+)=(\S+)$", "".join(blocks(document("secure-python-sandbox.md"), "bash")), re.MULTILINE))
    assert set(settings) == {"SANDBOX_MODE", "SANDBOX_TIMEOUT", "SANDBOX_ALLOW_NETWORK", "SANDBOX_MAX_MEMORY_MB"}
    server = make_server(env={**settings, "SANDBOX_PROFILE": "standard"}).start()
    assert server.client.expect(200, "POST", "/execute", {"code": "print(1)"})["stdout"] == "1"


def test_secure_python_sandbox_s_remote_examples(standard_server):
    """What its client sends for them, whose own tests are tests/clients'."""
    ran = 0
    for block in blocks(document("secure-python-sandbox.md"), "python"):
        match = re.search(r'^code = (""".*?"""|".*?")(?: *#.*)?$', block, re.DOTALL | re.MULTILINE)
        if match is None:
            continue
        namespace = {}
        exec("code = " + match.group(1), namespace)  # the document's own literal, with its own escapes
        body = {"code": namespace["code"], "timeout": 30, "allow_network": False}
        if "input_files" in block:
            import base64
            body["files"] = {"data.csv": base64.b64encode(eval(re.search(r'"data.csv": (b".*?")', block).group(1))).decode()}
        answer = standard_server.client.expect(200, "POST", "/execute", body)
        printed = re.search(r"print\(result\.stdout\)\s*# (?:Output: )?(.*)", block)
        if "1/0" in body["code"]:
            assert answer["return_code"] == 1 and "ZeroDivisionError" in answer["stderr"]
        else:
            assert answer["return_code"] == 0 and answer["stdout"] == printed.group(1), answer
        if "input_files" in block:
            assert base64.b64decode(answer["output_files"]["result.txt"]) == b"Sum: 600\n"
        ran += 1
    assert ran == 4


def test_aevatar(standard_server, tmp_path):
    answer, = run_all(standard_server, "aevatar.md", tmp_path)
    assert answer["output"] == "Hello, World!\n" and answer["isCompleted"] is True


def test_aevatar_s_samples_as_requests(standard_server):
    """Its C# samples as what .NET would send; the samples themselves run in tests/clients/test_dotnet.py."""
    basic, limits, progress = blocks(document("aevatar.md"), "csharp")
    code = re.search(r'Code = @"\n(.*?)"', basic, re.DOTALL).group(1)
    assert "Timeout = TimeSpan.FromSeconds(30)" in basic
    answer = standard_server.client.expect(200, "POST", "/api/sandbox/execute", {"Code": code, "Timeout": "00:00:30"})
    assert answer["output"] == "2.0\n"

    resources = dict(re.findall(r'(\w+Limit) = "(\w+)"', limits))
    assert set(resources) == {"CpuLimit", "MemoryLimit", "DiskLimit"}
    assert re.findall(r"service\.(\w+)Async", progress) == ["Start", "GetStatus", "GetResult"]
    execution = standard_server.client.expect(200, "POST", "/api/sandbox/execute-async", {"Code": "print(5)", "Resources": resources})["executionId"]
    until(lambda: standard_server.client.expect(200, "GET", f"/api/sandbox/status/{execution}")["isCompleted"], "it ends")
    assert standard_server.client.expect(200, "GET", f"/api/sandbox/result/{execution}")["output"] == "5\n"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_penny_s_typescript(standard_server, tmp_path):
    client = ROOT / "clients/typescript"
    if not (client / "node_modules/typescript").exists():
        pytest.skip("the TypeScript client's packages are not installed")
    sample, = blocks(document("penny.md"), "typescript")
    assert sample.count("http://localhost:3003") == 1
    package = tmp_path / "node_modules/@penny/sandbox-client"
    package.mkdir(parents=True)
    shutil.copy(client / "package.json", package)
    subprocess.run(["node", client / "node_modules/typescript/bin/tsc", "-p", client / "tsconfig.json", "--outDir", package / "dist/esm"], check=True,
                   timeout=SECONDS)
    program = tmp_path / "sample.mjs"
    program.write_text(sample.replace("http://localhost:3003", standard_server.url) + "\nconsole.log(JSON.stringify([result, stream]));\n")
    ran = subprocess.run(["node", program], capture_output=True, text=True, timeout=SECONDS)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    result, streamed = json.loads(lines[-1])
    assert result["output"]["stdout"] == "Hello, World!\n" and streamed["output"]["stdout"] == "".join(f"{n}\n" for n in range(10))
    assert any(line.startswith("stdout") for line in lines) and any(line.startswith("complete") for line in lines)


def test_every_curl_line_is_run():
    found = {name: len(curl_commands(document(name))) for name in PORTS}
    assert found == {"flask.md": 2, "secure-python-sandbox.md": 2, "aevatar.md": 1, "penny.md": 0}
    for name, count in found.items():
        assert len(re.findall(r"^curl ", document(name), re.MULTILINE)) == count
