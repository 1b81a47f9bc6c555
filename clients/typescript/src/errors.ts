/**
 * Every error that this client throws is a SandboxError. What user code does (an exception, a timeout) is not an error but an
 * ExecutionResult with success false; `assertSuccess` turns it into one for those who want that.
 */

import type { SecurityViolation } from './penny-types.js';
import type { ExecutionResult } from './execution-types.js';

export class SandboxError extends Error {
    readonly code: string;
    /** HTTP status, where there was an answer. */
    readonly statusCode?: number;
    /** The body of the answer, or whatever else is known. */
    readonly details?: any;
    /** s, from the Retry-After of the answer. */
    readonly retryAfter?: number;
    /** X-Request-Id of the answer: what to look for in the service's log. */
    readonly requestId?: string;

    constructor(message: string, code: string, statusCode?: number, details?: any, answer: { retryAfter?: number; requestId?: string } = {}) {
        super(message);
        this.name = new.target.name;
        this.code = code;
        if (statusCode !== undefined) this.statusCode = statusCode;
        if (details !== undefined) this.details = details;
        if (answer.retryAfter !== undefined) this.retryAfter = answer.retryAfter;
        if (answer.requestId !== undefined) this.requestId = answer.requestId;
    }

    get status(): number | undefined {
        return this.statusCode;
    }
}

/* The answers of the service that are not 2xx. */

/** 400 and 422: the request is not what the service takes. */
export class ValidationError extends SandboxError {
    get validationErrors(): any[] {
        return this.details?.validationErrors ?? [];
    }
}
/** 401 */
export class AuthenticationError extends SandboxError {}
/** 403 */
export class ForbiddenError extends SandboxError {}
/** 404 */
export class NotFoundError extends SandboxError {}
/** 409: the session is busy */
export class ConflictError extends SandboxError {}
/** 410: it was there once; details say why and since when it is not */
export class GoneError extends SandboxError {}
/** 413 */
export class PayloadTooLargeError extends SandboxError {}
/** 429 */
export class RateLimitError extends SandboxError {}
/** 500 and above */
export class ServerError extends SandboxError {}

/* What goes wrong on the way. */

/** No answer, or only a part of one. `sent` is false when the request certainly never reached the service. */
export class ConnectionError extends SandboxError {
    readonly sent: boolean;

    constructor(message: string, sent: boolean, cause?: unknown) {
        super(message, sent ? 'CONNECTION_LOST' : 'CONNECTION_REFUSED');
        this.sent = sent;
        if (cause !== undefined) Object.defineProperty(this, 'cause', { value: cause, enumerable: false });
    }
}

/** The client's own limit passed: see `timeout`. What the service did with the request is unknown. */
export class RequestTimeoutError extends SandboxError {
    constructor(timeout: number) {
        super(`No answer within ${timeout} ms`, 'REQUEST_TIMEOUT', undefined, { timeout });
    }
}

/** The service answered something that is not its language (a proxy's page, a broken event). */
export class ProtocolError extends SandboxError {
    constructor(message: string, details?: any) {
        super(message, 'PROTOCOL_ERROR', undefined, details);
    }
}

/**
 * A stream was cut and could not be resumed. With an executionId the run may well be going on: `getExecution` and `watch` tell.
 * Without one the connection ended before the service said anything: the run was or was not started, and it is not repeated.
 */
export class StreamLostError extends SandboxError {
    readonly executionId?: string;
    readonly lastEventId?: string;

    constructor(message: string, executionId?: string, lastEventId?: string, cause?: unknown) {
        super(message, 'STREAM_LOST', undefined, { executionId, lastEventId });
        if (executionId !== undefined) this.executionId = executionId;
        if (lastEventId !== undefined) this.lastEventId = lastEventId;
        if (cause !== undefined) Object.defineProperty(this, 'cause', { value: cause, enumerable: false });
    }
}

/** An `error` event: the service, not the program, failed. */
export class StreamFailedError extends SandboxError {
    readonly executionId?: string;

    constructor(message: string, details: any, executionId?: string) {
        super(message, 'STREAM_FAILED', undefined, details);
        if (executionId !== undefined) this.executionId = executionId;
    }
}

/** The caller's AbortSignal fired. Its `name` is AbortError, as with fetch. */
export class AbortedError extends SandboxError {
    readonly executionId?: string;
    /** True when the service has taken the request to cancel the run. */
    readonly cancelled: boolean;

    constructor(reason: unknown, executionId?: string, cancelled = false) {
        super(reason instanceof Error ? reason.message : 'The operation was aborted', 'ABORTED', undefined, { reason });
        this.name = 'AbortError';
        this.cancelled = cancelled;
        if (executionId !== undefined) this.executionId = executionId;
    }
}

/* What assertSuccess throws. The first three have the constructors of PENNY's classes. */

export class ExecutionTimeoutError extends SandboxError {
    constructor(timeout: number, result?: ExecutionResult) {
        super(`Code execution timed out after ${timeout}ms`, 'EXECUTION_TIMEOUT', 408, result);
    }
}

export class SecurityViolationError extends SandboxError {
    readonly violations: SecurityViolation[];

    constructor(violations: SecurityViolation[]) {
        super(`Security violations detected: ${violations.map((v) => v.description).join(', ')}`, 'SECURITY_VIOLATION', 400, violations);
        this.violations = violations;
    }
}

export class ResourceLimitError extends SandboxError {
    readonly resource: string;
    readonly limit: number;
    readonly usage: number;

    constructor(resource: string, limit: number, usage: number) {
        super(`Resource limit exceeded: ${resource} usage (${usage}) exceeded limit (${limit})`, 'RESOURCE_LIMIT_EXCEEDED', 429, {
            resource,
            limit,
            usage,
        });
        this.resource = resource;
        this.limit = limit;
        this.usage = usage;
    }
}

/** The program failed in any other way; `result` says how. */
export class ExecutionFailedError extends SandboxError {
    readonly result: ExecutionResult;

    constructor(result: ExecutionResult) {
        const { error, status } = result;
        super(error ? `${error.type}: ${error.message}` : `The execution ended with status ${status}`, 'EXECUTION_FAILED', undefined, result);
        this.result = result;
    }
}

/** Returns the result if the program succeeded, throws ExecutionTimeoutError, SecurityViolationError or ExecutionFailedError if not. */
export function assertSuccess(result: ExecutionResult): ExecutionResult {
    if (result.success) return result;
    if (result.status === 'timeout') throw new ExecutionTimeoutError(Math.round(result.metrics.executionTime), result);
    if (result.status === 'rejected') {
        const { message = 'refused by policy', line } = result.error ?? {};
        throw new SecurityViolationError([{ type: 'pattern', severity: 'critical', description: message, ...(line === undefined ? {} : { line }) }]);
    }
    throw new ExecutionFailedError(result);
}

type AnswerError = new (message: string, code: string, status?: number, details?: any, answer?: { retryAfter?: number; requestId?: string }) => SandboxError;

const BY_STATUS: Record<number, AnswerError> = {
    400: ValidationError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: PayloadTooLargeError,
    422: ValidationError,
    429: RateLimitError,
};

/** s, from the two forms of the header; undefined when there is none or it makes no sense. */
export function parseRetryAfter(value: string | null, now = Date.now()): number | undefined {
    if (value === null) return undefined;
    if (/^\s*\d+(\.\d+)?\s*$/.test(value)) return Number(value);
    const date = Date.parse(value);
    return Number.isNaN(date) ? undefined : Math.max(0, (date - now) / 1000);
}

function parseBody(text: string): any {
    try {
        const body = JSON.parse(text);
        return body !== null && typeof body === 'object' ? body : undefined;
    } catch {
        return undefined;
    }
}

/** The error for an answer that is not 2xx; reads its body. */
export async function errorFromResponse(response: Response): Promise<SandboxError> {
    const text = await response.text().catch(() => '');
    const body = parseBody(text);
    const message = body?.message || body?.error || `HTTP ${response.status}: ${response.statusText}`;
    const Type = BY_STATUS[response.status] ?? (response.status >= 500 ? ServerError : SandboxError);
    const answer: { retryAfter?: number; requestId?: string } = {};
    const retryAfter = parseRetryAfter(response.headers.get('retry-after'));
    if (retryAfter !== undefined) answer.retryAfter = retryAfter;
    const requestId = response.headers.get('x-request-id');
    if (requestId !== null) answer.requestId = requestId;
    return new Type(String(message), String(body?.code ?? `HTTP_${response.status}`), response.status, body ?? (text.slice(0, 4096) || undefined), answer);
}
