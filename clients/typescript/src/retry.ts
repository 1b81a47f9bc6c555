/** What may be repeated. A run never is: a POST is sent again only when it certainly never reached the service. */

import type { ResolvedConfig } from './config.js';
import { ConnectionError, RateLimitError, SandboxError } from './errors.js';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const IDEMPOTENT: ReadonlySet<Method> = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);
/** Said instead of doing anything: the session is on its way to another instance, or this one is being emptied. */
const NOT_DONE: ReadonlySet<string> = new Set(['SESSION_MOVING', 'DRAINING']);
const CONNECTING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);

/** True if the error says that no connection was made, so that not a byte was sent. Browsers do not tell: then it is false. */
export function isRefusedBeforeSend(error: unknown): boolean {
    const cause: any = (error as any)?.cause;
    if (cause === undefined || cause === null) return false;
    if (Array.isArray(cause.errors) && cause.errors.length > 0) return cause.errors.every((each: any) => CONNECTING.has(each?.syscall));
    return CONNECTING.has(cause.syscall) || cause.code === 'UND_ERR_CONNECT_TIMEOUT';
}

function mayRepeat(config: ResolvedConfig, method: Method, error: SandboxError): boolean {
    const idempotent = IDEMPOTENT.has(method);
    if (error instanceof ConnectionError) return idempotent || !error.sent;
    if (error.statusCode === undefined || !config.retryOnStatus.includes(error.statusCode)) return false;
    /* 429 is said instead of doing the work, so that it is safe for every method. A 5xx may come after it. */
    return idempotent || error instanceof RateLimitError || NOT_DONE.has(error.code);
}

/** ms to wait before the attempt after `attempt` (1, 2, ...); undefined: do not repeat. */
export function repeatDelay(config: ResolvedConfig, method: Method, error: unknown, attempt: number): number | undefined {
    if (attempt > config.retryAttempts || !(error instanceof SandboxError) || !mayRepeat(config, method, error)) return undefined;
    if (error.retryAfter !== undefined) {
        const asked = error.retryAfter * 1000;
        return asked <= config.maxRetryDelay ? asked : undefined;
    }
    const steps = config.exponentialBackoff ? 2 ** (attempt - 1) : attempt;
    return Math.min(config.retryDelay * steps, config.maxRetryDelay);
}
