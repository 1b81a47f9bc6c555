// The Penny sandbox from .NET, with the types that code for Aevatar's Python sandbox uses. One file, no packages: netstandard2.0, so
// .NET Core, .NET Framework and Mono. Add it to a project, and say where the service is: new PythonSandboxService("http://host:3003"), or
// PENNY_BASE_URL (and PENNY_API_KEY) in the environment.
using System;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Aevatar.Sandbox.Python
{
    public enum ExecutionStatus { Pending = 0, Running = 1, Completed = 2, Failed = 3, TimedOut = 4, Cancelled = 5 }

    /// <summary>Upper limits as Kubernetes writes them. None is more than the service's own.</summary>
    [DataContract]
    public class SandboxResources
    {
        [DataMember(Name = "cpuLimit", EmitDefaultValue = false)] public string CpuLimit { get; set; }
        [DataMember(Name = "memoryLimit", EmitDefaultValue = false)] public string MemoryLimit { get; set; }
        [DataMember(Name = "diskLimit", EmitDefaultValue = false)] public string DiskLimit { get; set; }
    }

    /// <summary>The same as numbers.</summary>
    public class ResourceLimits
    {
        public double CpuLimitCores { get; set; } = 1.0;
        public long MemoryLimitBytes { get; set; } = 512L * 1024 * 1024;
        public int TimeoutSeconds { get; set; } = 30;
    }

    [DataContract]
    public class SandboxExecutionRequest
    {
        [DataMember(Name = "code")] public string Code { get; set; }
        [DataMember(Name = "language", EmitDefaultValue = false)] public string Language { get; set; } = "python";
        [DataMember(Name = "resources", EmitDefaultValue = false)] public SandboxResources Resources { get; set; }
        /// <summary>Of your own choice, to ask by it later; else the service makes one.</summary>
        [DataMember(Name = "sandboxExecutionId", EmitDefaultValue = false)] public string SandboxExecutionId { get; set; }
        public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);
        [DataMember(Name = "timeout")] private double Seconds { get { return Timeout.TotalSeconds; } set { Timeout = TimeSpan.FromSeconds(value); } }
    }

    /// <summary>What StartAsync returns; wherever an id is wanted it can be given.</summary>
    [DataContract]
    public class SandboxExecutionHandle
    {
        [DataMember(Name = "sandboxExecutionId")] public string SandboxExecutionId { get; private set; }
        [DataMember(Name = "workloadName")] public string WorkloadName { get; private set; }
        [DataMember(Name = "startedAtUtc")] private string startedAt;
        public DateTime? StartedAtUtc { get { return Time.Read(startedAt); } }
        public static implicit operator string(SandboxExecutionHandle handle) { return handle.SandboxExecutionId; }
        public override string ToString() { return SandboxExecutionId; }
    }

    [DataContract]
    public class ResourceUsage
    {
        [DataMember(Name = "cpuUsageCores")] public double CpuUsageCores { get; private set; }
        [DataMember(Name = "memoryUsageBytes")] public long MemoryUsageBytes { get; private set; }
        [DataMember(Name = "networkInBytes")] public long NetworkInBytes { get; private set; }
        [DataMember(Name = "networkOutBytes")] public long NetworkOutBytes { get; private set; }
        [DataMember(Name = "diskReadBytes")] public long DiskReadBytes { get; private set; }
        [DataMember(Name = "diskWriteBytes")] public long DiskWriteBytes { get; private set; }
    }

    /// <summary>How far an execution is and, once IsCompleted, what came of it.</summary>
    [DataContract]
    public class SandboxExecutionResult
    {
        [DataMember(Name = "executionId")] public string ExecutionId { get; private set; }
        [DataMember(Name = "sandboxExecutionId")] public string SandboxExecutionId { get; private set; }
        [DataMember(Name = "status")] private int status;
        public ExecutionStatus Status { get { return (ExecutionStatus)status; } }
        [DataMember(Name = "isCompleted")] public bool IsCompleted { get; private set; }
        [DataMember(Name = "success")] public bool Success { get; private set; }
        [DataMember(Name = "timedOut")] public bool TimedOut { get; private set; }
        [DataMember(Name = "exitCode")] public int ExitCode { get; private set; }
        [DataMember(Name = "output")] public string Output { get; private set; }
        /// <summary>Standard error, then what went wrong.</summary>
        [DataMember(Name = "error")] public string Error { get; private set; }
        [DataMember(Name = "stdout")] public string Stdout { get; private set; }
        [DataMember(Name = "stderr")] public string Stderr { get; private set; }
        [DataMember(Name = "language")] public string Language { get; private set; }
        [DataMember(Name = "podName")] public string PodName { get; private set; }
        [DataMember(Name = "scriptHash")] public string ScriptHash { get; private set; }
        [DataMember(Name = "execTimeSec")] public double ExecTimeSec { get; private set; }
        [DataMember(Name = "memoryUsedMB")] public double MemoryUsedMB { get; private set; }
        [DataMember(Name = "resourceUsage")] public ResourceUsage ResourceUsage { get; private set; }
        [DataMember(Name = "startTime")] private string startTime;
        [DataMember(Name = "endTime")] private string endTime;
        public DateTime? StartTime { get { return Time.Read(startTime); } }
        public DateTime? EndTime { get { return Time.Read(endTime); } }
    }

    public class LogQueryOptions
    {
        public int MaxLines { get; set; } = 1000;
        public bool Tail { get; set; } = true;
        public bool IncludeStderr { get; set; } = true;
    }

    [DataContract]
    public class SandboxLogs
    {
        [DataMember(Name = "executionId")] public string ExecutionId { get; private set; }
        [DataMember(Name = "podName")] public string PodName { get; private set; }
        [DataMember(Name = "lines")] public string[] Lines { get; private set; }
        [DataMember(Name = "hasMore")] public bool HasMore { get; private set; }
        [DataMember(Name = "stdout")] public string Stdout { get; private set; }
        [DataMember(Name = "stderr")] public string Stderr { get; private set; }
        [DataMember(Name = "truncated")] public bool Truncated { get; private set; }
    }

    /// <summary>The service refused a request, or could not do it. What a program does is never an exception here.</summary>
    public class SandboxException : Exception
    {
        public HttpStatusCode StatusCode { get; }
        public string Code { get; }
        /// <summary>The service's answer, as it came.</summary>
        public string Body { get; }

        internal SandboxException(HttpStatusCode status, string code, string message, string body) : base(message)
        {
            StatusCode = status;
            Code = code;
            Body = body;
        }
    }

    public interface ISandboxService
    {
        Task<SandboxExecutionResult> ExecuteAsync(SandboxExecutionRequest request, CancellationToken cancellationToken = default(CancellationToken));
        Task<SandboxExecutionHandle> StartAsync(SandboxExecutionRequest request, CancellationToken cancellationToken = default(CancellationToken));
        Task<SandboxExecutionResult> GetStatusAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken));
        Task<SandboxExecutionResult> GetResultAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken));
        Task<SandboxExecutionResult> TryGetResultAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken));
        Task<SandboxLogs> GetLogsAsync(string executionId, LogQueryOptions options = null, CancellationToken cancellationToken = default(CancellationToken));
        Task<bool> CancelAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken));
    }

    public class PythonSandboxService : ISandboxService, IDisposable
    {
        private const string DefaultUrl = "http://127.0.0.1:3003";
        private const int FirstPauseMs = 50, LongestPauseMs = 2000;
        private readonly HttpClient http = new HttpClient { Timeout = System.Threading.Timeout.InfiniteTimeSpan };
        private readonly string url;

        /// <summary>Without arguments: PENNY_BASE_URL and PENNY_API_KEY, else http://127.0.0.1:3003 without a key.</summary>
        public PythonSandboxService(string baseUrl = null, string apiKey = null)
        {
            string key = apiKey ?? Environment.GetEnvironmentVariable("PENNY_API_KEY");
            url = (baseUrl ?? Environment.GetEnvironmentVariable("PENNY_BASE_URL") ?? DefaultUrl).TrimEnd('/');
            if (!string.IsNullOrEmpty(key))
                http.DefaultRequestHeaders.Add("Authorization", "Bearer " + key);
        }

        /// <summary>Runs the code to its end.</summary>
        public async Task<SandboxExecutionResult> ExecuteAsync(SandboxExecutionRequest request,
                                                               CancellationToken cancellationToken = default(CancellationToken))
        {
            if (!string.IsNullOrEmpty(request.SandboxExecutionId)) // an id of one's own is for asking later, so the service answers at once
                return await GetResultAsync(await StartAsync(request, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            return await Send<SandboxExecutionResult>(HttpMethod.Post, "/api/sandbox/execute", Json.Write(request), cancellationToken).ConfigureAwait(false);
        }

        public Task<SandboxExecutionResult> ExecuteAsync(string code, int timeout = 30, ResourceLimits limits = null,
                                                         CancellationToken cancellationToken = default(CancellationToken))
        {
            var request = new SandboxExecutionRequest { Code = code, Timeout = TimeSpan.FromSeconds(limits != null ? limits.TimeoutSeconds : timeout) };
            if (limits != null)
                request.Resources = new SandboxResources
                {
                    CpuLimit = limits.CpuLimitCores.ToString("0.###", CultureInfo.InvariantCulture),
                    MemoryLimit = limits.MemoryLimitBytes.ToString(CultureInfo.InvariantCulture)
                };
            return ExecuteAsync(request, cancellationToken);
        }

        /// <summary>Starts the code and returns at once.</summary>
        public Task<SandboxExecutionHandle> StartAsync(SandboxExecutionRequest request, CancellationToken cancellationToken = default(CancellationToken))
        {
            return Send<SandboxExecutionHandle>(HttpMethod.Post, "/api/sandbox/execute-async", Json.Write(request), cancellationToken);
        }

        public Task<SandboxExecutionResult> GetStatusAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken))
        {
            return Send<SandboxExecutionResult>(HttpMethod.Get, "/api/sandbox/status/" + Uri.EscapeDataString(executionId), null, cancellationToken);
        }

        /// <summary>The result, as soon as there is one.</summary>
        public async Task<SandboxExecutionResult> GetResultAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken))
        {
            for (int pause = FirstPauseMs; ; pause = Math.Min(2 * pause, LongestPauseMs))
            {
                SandboxExecutionResult status = await GetStatusAsync(executionId, cancellationToken).ConfigureAwait(false);
                if (status.IsCompleted)
                    return status;
                await Task.Delay(pause, cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>The result, or null while there is none.</summary>
        public async Task<SandboxExecutionResult> TryGetResultAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken))
        {
            SandboxExecutionResult status = await GetStatusAsync(executionId, cancellationToken).ConfigureAwait(false);
            return status.IsCompleted ? status : null;
        }

        public Task<SandboxLogs> GetLogsAsync(string executionId, LogQueryOptions options = null,
                                              CancellationToken cancellationToken = default(CancellationToken))
        {
            LogQueryOptions wanted = options ?? new LogQueryOptions();
            string query = "?maxLines=" + wanted.MaxLines.ToString(CultureInfo.InvariantCulture) + "&tail=" + (wanted.Tail ? "true" : "false") +
                           "&includeStderr=" + (wanted.IncludeStderr ? "true" : "false");
            return Send<SandboxLogs>(HttpMethod.Get, "/api/sandbox/logs/" + Uri.EscapeDataString(executionId) + query, null, cancellationToken);
        }

        /// <summary>Interrupts it. False: it is not known.</summary>
        public async Task<bool> CancelAsync(string executionId, CancellationToken cancellationToken = default(CancellationToken))
        {
            try
            {
                await Text(HttpMethod.Post, "/api/sandbox/cancel/" + Uri.EscapeDataString(executionId), null, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (SandboxException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                return false;
            }
        }

        public void Dispose() { http.Dispose(); }

        private async Task<T> Send<T>(HttpMethod method, string path, string body, CancellationToken cancellationToken)
        {
            return Json.Read<T>(await Text(method, path, body, cancellationToken).ConfigureAwait(false));
        }

        private async Task<string> Text(HttpMethod method, string path, string body, CancellationToken cancellationToken)
        {
            using (var message = new HttpRequestMessage(method, url + path))
            {
                if (body != null)
                    message.Content = new StringContent(body, new UTF8Encoding(false), "application/json");
                using (HttpResponseMessage response = await http.SendAsync(message, cancellationToken).ConfigureAwait(false))
                {
                    string text = await response.Content.ReadAsStringAsync().ConfigureAwait(false);
                    if (response.IsSuccessStatusCode)
                        return text;
                    throw Refusal(response, text);
                }
            }
        }

        [DataContract]
        private class Problem
        {
            [DataMember(Name = "detail")] public string Detail { get; set; }
            [DataMember(Name = "message")] public string Message { get; set; }
            [DataMember(Name = "code")] public string Code { get; set; }
        }

        private static SandboxException Refusal(HttpResponseMessage response, string text)
        {
            Problem problem = null;
            try
            {
                problem = Json.Read<Problem>(text);
            }
            catch (SerializationException)
            {
                // some proxy's page: the status is all that can be said
            }
            string message = problem != null ? problem.Detail ?? problem.Message : null;
            return new SandboxException(response.StatusCode, problem != null ? problem.Code : null, message ?? "HTTP " + (int)response.StatusCode, text);
        }
    }

    internal static class Time
    {
        internal static DateTime? Read(string text)
        {
            if (text == null)
                return null;
            return DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal);
        }
    }

    internal static class Json
    {
        internal static string Write<T>(T value)
        {
            using (var stream = new MemoryStream())
            {
                new DataContractJsonSerializer(typeof(T)).WriteObject(stream, value);
                return new UTF8Encoding(false).GetString(stream.ToArray());
            }
        }

        internal static T Read<T>(string text)
        {
            using (var stream = new MemoryStream(new UTF8Encoding(false).GetBytes(text)))
                return (T)new DataContractJsonSerializer(typeof(T)).ReadObject(stream);
        }
    }
}
