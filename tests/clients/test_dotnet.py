"""The C# client: it compiles under Mono for what netstandard2.0 has, its README's sample runs, and so do those of Aevatar's document."""

import os
import re
import shutil
import subprocess

import pytest

from harness import ROOT, free_port

CLIENT = ROOT / "clients/dotnet/PennySandbox.cs"
DOCUMENT = ROOT.parent / "shared/seeds/aevatar.md"
REFERENCES = ["-r:System.Net.Http.dll", "-r:System.Runtime.Serialization.dll"]
SECONDS = 120

pytestmark = pytest.mark.skipif(not (shutil.which("mcs") and shutil.which("mono")), reason="mcs and mono are not installed (mono-mcs)")

PROGRAM = """
using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Aevatar.Sandbox.Python;
%s
static class Program
{
    static void Check(bool holds, string what) { if (!holds) throw new Exception("does not hold: " + what); }
%s
    static void Main() { Run().GetAwaiter().GetResult(); }
}
"""


def run(tmp_path, url, members, extra="", key=None):
    """Compiles a program around these members of its class, which have `async Task Run()`, and runs it. Returns what it prints."""
    source, program = tmp_path / "program.cs", tmp_path / "program.exe"
    source.write_text(PROGRAM % (extra, members))
    built = subprocess.run(["mcs", *REFERENCES, "-langversion:7", "-r:System.Core.dll", f"-out:{program}", str(source), str(CLIENT)], capture_output=True, text=True,
                           timeout=SECONDS)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "warning" not in built.stdout + built.stderr, built.stdout + built.stderr
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PENNY_")} | {"PENNY_BASE_URL": url} | ({"PENNY_API_KEY": key} if key else {})
    for _ in range(3):
        ran = subprocess.run(["mono", str(program)], capture_output=True, text=True, timeout=SECONDS, env=environment)
        if "* Assertion at mono-threads.c" not in ran.stdout + ran.stderr:  # Mono 6.8 now and then aborts by itself as a program ends
            break
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_everything_it_can_do(tmp_path, server):
    assert run(tmp_path, server.url, r"""
    static async Task Run()
    {
        using (var service = new PythonSandboxService())
        {
            var ok = await service.ExecuteAsync("import sys\nprint('caf\u00e9')\nprint(2, file=sys.stderr)", 20, new ResourceLimits { MemoryLimitBytes = 128 << 20 });
            Check(ok.Status == ExecutionStatus.Completed && ok.Success && ok.IsCompleted && ok.ExitCode == 0, "completed");
            Check(ok.Output == "caf\u00e9\n" && ok.Stderr == "2\n" && ok.Error == "2\n" && !ok.TimedOut, "output");
            Check(ok.StartTime <= ok.EndTime && ok.EndTime.Value.Kind == DateTimeKind.Utc && ok.ResourceUsage.MemoryUsageBytes > 0, "times and usage");

            var failed = await service.ExecuteAsync(new SandboxExecutionRequest { Code = "raise SystemExit(3)" });
            Check(failed.Status == ExecutionStatus.Failed && failed.ExitCode == 3, "exit code");
            var late = await service.ExecuteAsync(new SandboxExecutionRequest { Code = "while True: pass", Timeout = TimeSpan.FromSeconds(0.5) });
            Check(late.Status == ExecutionStatus.TimedOut && late.TimedOut, "timeout");

            var handle = await service.StartAsync(new SandboxExecutionRequest { Code = "print(1, flush=True)\nwhile True: pass", SandboxExecutionId = "my own" });
            Check(handle == "my own" && handle.StartedAtUtc != null && handle.WorkloadName != null, "handle");
            Check(await service.TryGetResultAsync(handle) == null, "no result yet");
            while ((await service.GetLogsAsync(handle)).Lines.Length == 0) await Task.Delay(10);
            Check(await service.CancelAsync(handle), "cancel");
            Check((await service.GetResultAsync(handle)).Status == ExecutionStatus.Cancelled, "cancelled");
            Check(!await service.CancelAsync("unknown"), "unknown");
            Check((await service.GetLogsAsync(handle, new LogQueryOptions { MaxLines = 1 })).Lines.Single() == "1", "logs");
            Check((await service.ExecuteAsync(new SandboxExecutionRequest { Code = "print(9)", SandboxExecutionId = "another" })).Output == "9\n", "own id");

            try { await service.ExecuteAsync(""); Check(false, "refused"); }
            catch (SandboxException e) { Check((int)e.StatusCode == 400 && e.Code == "VALIDATION_ERROR" && e.Message.Contains("code"), e.ToString()); }
            try { await service.GetStatusAsync("unknown"); Check(false, "refused"); }
            catch (SandboxException e) { Check((int)e.StatusCode == 404 && e.Message.Contains("unknown"), e.ToString()); }
            using (var source = new CancellationTokenSource())
            {
                var running = service.ExecuteAsync(new SandboxExecutionRequest { Code = "while True: pass" }, source.Token);
                source.Cancel();
                try { await running; Check(false, "left"); } catch (OperationCanceledException) { }
            }
        }
        Console.WriteLine("all");
    }""") == "all\n"


def test_keys_and_no_service(tmp_path, make_server):
    server = make_server(env={"SANDBOX_API_KEYS": "one:" + "k" * 32}).start()
    assert run(tmp_path, server.url, r"""
    static async Task Run()
    {
        Console.Write((await new PythonSandboxService().ExecuteAsync("print(1)")).Output);
        try { await new PythonSandboxService(null, "wrong").ExecuteAsync("print(1)"); }
        catch (SandboxException e) { Console.WriteLine((int)e.StatusCode); }
        try { await new PythonSandboxService("http://127.0.0.1:%d").ExecuteAsync("print(1)"); }
        catch (System.Net.Http.HttpRequestException) { Console.WriteLine("nobody"); }
    }""" % free_port(), key="k" * 32) == "1\n401\nnobody\n"


def csharp(text):
    return re.findall(r"```csharp\n(.*?)```", text, re.DOTALL)


def test_the_readme_s_sample(tmp_path, server):
    sample, = csharp((ROOT / "clients/dotnet/README.md").read_text())
    body = sample.replace("using Aevatar.Sandbox.Python;", "").replace("http://127.0.0.1:3003", server.url)
    assert run(tmp_path, server.url, f"static async Task Run() {{ {body} }}") == "42\n"


def test_the_document_s_samples(tmp_path, standard_server):
    if not DOCUMENT.exists():
        pytest.skip("the document is not here: aevatar.md")
    basic, limits, progress = csharp(DOCUMENT.read_text())
    assert run(tmp_path, standard_server.url, f"""
    static async Task Basic()
    {{
        {basic}
        Console.Write(result.Status + " " + result.Output);
    }}

    static async Task WithLimits(string pythonCode)
    {{
        var service = new PythonSandboxService();
        {limits}
        {progress}
        Console.Write(result.Status + " " + result.Output);
    }}

    static async Task Run()
    {{
        await Basic();
        await WithLimits("print('limited')");
    }}""") == "Completed 2.0\nCompleted limited\n"
