/** The options of a client. */

export interface SandboxConfig {
    /** Such as `http://localhost:3003`. In a browser `''` is the page's own origin. */
    baseUrl: string;
    /** ms that one attempt may take, 30,000 by default, 0 for no limit. A run gets its own `timeout` on top; see the README. */
    timeout?: number;
    /** Sent as `Authorization: Bearer`. */
    apiKey?: string;
    /** How often a call that is safe to repeat is repeated, 3 by default. 0 means never. */
    retryAttempts?: number;
    /** ms; the n-th repetition waits n times as long. 1000 by default. `Retry-After` comes before it. */
    retryDelay?: number;
}

export interface SandboxClientConfig extends SandboxConfig {
    /** Wait retryDelay * 1, 2, 4, 8 ... instead of 1, 2, 3 ... */
    exponentialBackoff?: boolean;
    /** ms, 30,000 by default. A `Retry-After` longer than this is not waited for: the error is thrown at once. */
    maxRetryDelay?: number;
    /** Answers after which a GET, HEAD, PUT or DELETE is repeated: 429, 502, 503 and 504 by default. */
    retryOnStatus?: number[];

    /** For runs that do not say. */
    defaultTimeout?: number;
    defaultMaxMemory?: number;
    defaultMaxCpu?: number;

    /** ms of silence after which a stream counts as cut and is resumed: 30,000 by default (the service sends something every 10 s). */
    streamIdleTimeout?: number;
    /** How often in a row a cut stream is resumed without anything new coming, 20 by default. */
    resumeAttempts?: number;
    /** ms between such attempts: at first, and at most. 100 and 5,000 by default. */
    resumeDelay?: number;
    maxResumeDelay?: number;

    /** Sent with every request. */
    headers?: Record<string, string>;
    /** Used instead of the global fetch. */
    fetch?: typeof fetch;

    /** @deprecated Accepted as PENNY's types have it, without effect (there as here): fetch pools and keeps connections itself. */
    maxConcurrentRequests?: number;
    /** @deprecated Without effect. */
    requestPoolSize?: number;
    /** @deprecated Without effect. */
    keepAlive?: boolean;
    /** @deprecated Without effect. */
    enableLogging?: boolean;
    /** @deprecated Without effect. */
    logLevel?: 'debug' | 'info' | 'warn' | 'error';
    /** @deprecated Without effect. */
    enableStreaming?: boolean;
    /** @deprecated Without effect. */
    enableMetrics?: boolean;
    /** @deprecated Without effect. */
    enableCaching?: boolean;
}

/** Options of one call. */
export interface RequestOptions {
    signal?: AbortSignal;
    /** ms that one attempt may take, 0 for no limit. */
    timeout?: number;
}

/** A configuration with every default filled in. */
export interface ResolvedConfig {
    baseUrl: string;
    timeout: number;
    apiKey: string | undefined;
    retryAttempts: number;
    retryDelay: number;
    exponentialBackoff: boolean;
    maxRetryDelay: number;
    retryOnStatus: readonly number[];
    defaults: { timeout?: number; maxMemory?: number; maxCpu?: number };
    streamIdleTimeout: number;
    resumeAttempts: number;
    resumeDelay: number;
    maxResumeDelay: number;
    headers: Record<string, string>;
    fetch: typeof fetch;
}

function count(name: string, value: number | undefined, fallback: number): number {
    if (value === undefined) return fallback;
    if (typeof value !== 'number' || !(value >= 0)) throw new TypeError(`${name} must be a number, 0 or more, not ${String(value)}`);
    return value;
}

function runDefaults(config: SandboxClientConfig): ResolvedConfig['defaults'] {
    const defaults: ResolvedConfig['defaults'] = {};
    if (config.defaultTimeout !== undefined) defaults.timeout = config.defaultTimeout;
    if (config.defaultMaxMemory !== undefined) defaults.maxMemory = config.defaultMaxMemory;
    if (config.defaultMaxCpu !== undefined) defaults.maxCpu = config.defaultMaxCpu;
    return defaults;
}

function globalFetch(): typeof fetch {
    if (typeof globalThis.fetch !== 'function') throw new TypeError('There is no fetch here: use Node.js 18 or newer, or pass `fetch`.');
    return (input, init) => globalThis.fetch(input, init);
}

export function resolveConfig(config: SandboxClientConfig): ResolvedConfig {
    if (typeof config?.baseUrl !== 'string') throw new TypeError("baseUrl is needed, for example 'http://localhost:3003'");
    return {
        baseUrl: config.baseUrl.replace(/\/+$/, ''),
        timeout: count('timeout', config.timeout, 30000),
        apiKey: config.apiKey || undefined,
        retryAttempts: count('retryAttempts', config.retryAttempts, 3),
        retryDelay: count('retryDelay', config.retryDelay, 1000),
        exponentialBackoff: config.exponentialBackoff ?? false,
        maxRetryDelay: count('maxRetryDelay', config.maxRetryDelay, 30000),
        retryOnStatus: config.retryOnStatus ?? [429, 502, 503, 504],
        defaults: runDefaults(config),
        streamIdleTimeout: count('streamIdleTimeout', config.streamIdleTimeout, 30000),
        resumeAttempts: count('resumeAttempts', config.resumeAttempts, 20),
        resumeDelay: count('resumeDelay', config.resumeDelay, 100),
        maxResumeDelay: count('maxResumeDelay', config.maxResumeDelay, 5000),
        headers: config.headers ?? {},
        fetch: config.fetch ?? globalFetch(),
    };
}
