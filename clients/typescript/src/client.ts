/**
 * The client. The names and arguments of PENNY's client are all here; `session(id)` has what can be done with one session,
 * `executions` what can be done with one run.
 */

import { resolveConfig, type RequestOptions, type SandboxClientConfig } from './config.js';
import type { ExecutionRecord, ExecutionRequest, ExecutionResult, StartedExecution } from './execution-types.js';
import { Executions, consume, type OnEvent } from './executions.js';
import { Packages, type InstallOptions } from './packages.js';
import { SandboxSession } from './session.js';
import type {
    HealthReport,
    InstalledPackages,
    PackageInfo,
    PackageList,
    PackageQuery,
    SecurityReport,
    SessionPackages,
    SyntaxReport,
    UninstalledPackages,
    ValidationOptions,
    ValidationResult,
} from './service-types.js';
import type {
    Accepted,
    Acknowledgement,
    Session,
    SessionList,
    SessionOptions,
    SessionQuery,
    SessionStats,
    SessionVariables,
    UpdatedVariables,
} from './session-types.js';
import type { EventStream, ExecuteStreamOptions, WatchOptions } from './stream.js';
import { Transport } from './transport.js';

function sessionBody({ initialPackages, initialVariables, timeout, ...options }: SessionOptions): SessionOptions {
    return {
        ...options,
        packages: options.packages ?? initialPackages,
        variables: options.variables ?? initialVariables,
        idleTimeout: options.idleTimeout ?? timeout,
    } as SessionOptions;
}

export class SandboxClient {
    private readonly transport: Transport;
    private readonly executions: Executions;
    private readonly packages: Packages;

    constructor(config: SandboxClientConfig) {
        this.transport = new Transport(resolveConfig(config));
        this.executions = new Executions(this.transport);
        this.packages = new Packages(this.transport);
    }

    /** A handle to one session. No request is made. */
    session(session: string | { id: string }): SandboxSession {
        return new SandboxSession(this.transport, typeof session === 'string' ? session : session.id);
    }

    /* Runs */

    /** Runs to the end; one answer. */
    async execute(request: ExecutionRequest, options?: RequestOptions): Promise<ExecutionResult> {
        return this.executions.execute(request, options);
    }

    /** Runs, giving every event to onEvent as it happens; the whole result at the end. A cut connection is resumed. */
    async executeStream(request: ExecutionRequest, onEvent?: OnEvent, options?: ExecuteStreamOptions): Promise<ExecutionResult> {
        return consume(this.executions.stream(request, options), onEvent);
    }

    /** The same as an async iterator: `for await (const event of client.stream({ code }))`. */
    stream(request: ExecutionRequest, options?: ExecuteStreamOptions): EventStream {
        return this.executions.stream(request, options);
    }

    /** The events of a run that is going on or over, from the first, or after the id `options.after`. */
    watch(executionId: string, options?: WatchOptions): EventStream {
        return this.executions.watch(executionId, options);
    }

    /** Begins a run in the background. */
    async startExecution(request: ExecutionRequest, options?: RequestOptions): Promise<StartedExecution> {
        return this.executions.start(request, options);
    }

    async getExecution(executionId: string, options?: RequestOptions): Promise<ExecutionRecord> {
        return this.executions.get(executionId, options);
    }

    async cancelExecution(executionId: string, options?: RequestOptions): Promise<Accepted> {
        return this.executions.cancel(executionId, options);
    }

    /** Answers input(). */
    async sendInput(executionId: string, text: string, options?: RequestOptions): Promise<Accepted> {
        return this.executions.sendInput(executionId, text, options);
    }

    /* Sessions */

    async createSession(options: SessionOptions = {}, request?: RequestOptions): Promise<Session> {
        return this.transport.json({ method: 'POST', path: '/api/v1/sessions', json: sessionBody(options), options: request });
    }

    async listSessions(query: SessionQuery = {}, options?: RequestOptions): Promise<SessionList> {
        return this.transport.json({ method: 'GET', path: '/api/v1/sessions', query: { ...query }, options });
    }

    async getSession(sessionId: string, options?: RequestOptions): Promise<Session> {
        return this.session(sessionId).get(options);
    }

    async getSessionStats(sessionId: string, options?: RequestOptions): Promise<SessionStats> {
        return this.session(sessionId).stats(options);
    }

    async updateSession(sessionId: string, data: { metadata?: Record<string, any>; variables?: Record<string, any> }, options?: RequestOptions): Promise<Session> {
        return this.session(sessionId).update(data, options);
    }

    async deleteSession(sessionId: string, options?: RequestOptions): Promise<Acknowledgement> {
        return this.session(sessionId).delete(options);
    }

    async getSessionVariables(sessionId: string, options?: RequestOptions): Promise<SessionVariables> {
        return this.session(sessionId).variables.list(options);
    }

    async updateSessionVariables(sessionId: string, variables: Record<string, any>, options?: RequestOptions): Promise<UpdatedVariables> {
        return this.session(sessionId).variables.set(variables, options);
    }

    async clearSessionVariables(sessionId: string, options?: RequestOptions): Promise<Acknowledgement> {
        return this.session(sessionId).variables.clear(options);
    }

    /** What `session.export()` gave, as a new session. */
    async importSession(exported: Uint8Array | ArrayBuffer | Blob, options?: RequestOptions): Promise<Session> {
        const headers = { 'Content-Type': 'application/octet-stream' };
        return this.transport.json({ method: 'POST', path: '/api/v1/sessions/import', body: exported, headers, options });
    }

    /* Validation */

    async validateCode(code: string, options?: ValidationOptions, request?: RequestOptions): Promise<ValidationResult> {
        return this.transport.json({ method: 'POST', path: '/api/v1/validate', json: { code, ...options }, options: request });
    }

    async validateSecurity(code: string, options?: RequestOptions): Promise<SecurityReport> {
        return this.transport.json({ method: 'POST', path: '/api/v1/validate/security', json: { code }, options });
    }

    async validateSyntax(code: string, options?: RequestOptions): Promise<SyntaxReport> {
        return this.transport.json({ method: 'POST', path: '/api/v1/validate/syntax', json: { code }, options });
    }

    /* Packages */

    async getPackages(query?: PackageQuery, options?: RequestOptions): Promise<PackageList> {
        return this.packages.list(query, options);
    }

    async getPackageInfo(packageName: string, options?: RequestOptions): Promise<PackageInfo> {
        return this.packages.get(packageName, options);
    }

    /** The third argument is PENNY's `force`, or options with `force` and `onProgress`. */
    async installPackages(sessionId: string, packages: string[], force: boolean | InstallOptions = false): Promise<InstalledPackages> {
        return this.packages.install(sessionId, packages, typeof force === 'boolean' ? { force } : force);
    }

    async uninstallPackages(sessionId: string, packages: string[], options?: RequestOptions): Promise<UninstalledPackages> {
        return this.packages.uninstall(sessionId, packages, options);
    }

    async getSessionPackages(sessionId: string, options?: RequestOptions): Promise<SessionPackages> {
        return this.packages.installed(sessionId, options);
    }

    /* The service */

    async getHealth(options?: RequestOptions): Promise<HealthReport> {
        return this.transport.json({ method: 'GET', path: '/health', options });
    }

    /** Throws ServerError (503) when the service takes no work at the moment. */
    async getReady(options?: RequestOptions): Promise<any> {
        return this.transport.json({ method: 'GET', path: '/ready', options: options, once: true });
    }

    /** In Prometheus' text format. */
    async getMetrics(options?: RequestOptions): Promise<string> {
        return this.transport.text({ method: 'GET', path: '/metrics', options });
    }

    async getOpenApi(options?: RequestOptions): Promise<any> {
        return this.transport.json({ method: 'GET', path: '/openapi.json', options });
    }
}

export function createSandboxClient(config: SandboxClientConfig): SandboxClient {
    return new SandboxClient(config);
}
