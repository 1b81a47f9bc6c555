/** Runs: to the end in one answer, streamed, or in the background. */

import type { RequestOptions, ResolvedConfig } from './config.js';
import type { StreamEvent } from './event-types.js';
import type { ExecutionRecord, ExecutionRequest, ExecutionResult, StartedExecution } from './execution-types.js';
import type { Accepted } from './session-types.js';
import { EventStream, type ExecuteStreamOptions, type WatchOptions } from './stream.js';
import { segment, type Call, type Transport } from './transport.js';

/** ms, the service's own default for a run. */
const RUN_TIMEOUT = 30000;

export type OnEvent = (event: StreamEvent) => unknown;

export function runBody(config: ResolvedConfig, request: ExecutionRequest): ExecutionRequest {
    if (typeof request?.code !== 'string') throw new TypeError('An execution needs `code`, a string');
    return { ...config.defaults, ...request };
}

/** What a run may take, and the client's patience on top of it. */
function runPatience(config: ResolvedConfig, request: ExecutionRequest): number {
    return config.timeout === 0 ? 0 : config.timeout + (request.timeout ?? config.defaults.timeout ?? RUN_TIMEOUT);
}

/** Gives every event to onEvent, waiting for it where it returns a promise. */
export async function consume(stream: EventStream, onEvent: OnEvent | undefined): Promise<ExecutionResult> {
    for await (const event of stream) await onEvent?.(event);
    return stream.result();
}

export class Executions {
    constructor(private readonly transport: Transport) {}

    private post(path: string, request: ExecutionRequest, options: RequestOptions | undefined): Call {
        return { method: 'POST', path, json: runBody(this.transport.config, request), options };
    }

    execute(request: ExecutionRequest, options?: RequestOptions): Promise<ExecutionResult> {
        const call = this.post('/api/v1/execute', request, options);
        return this.transport.json({ ...call, timeout: runPatience(this.transport.config, request) });
    }

    stream(request: ExecutionRequest, options: ExecuteStreamOptions = {}): EventStream {
        const call = this.post('/api/v1/execute/stream', request, options);
        return new EventStream(this.transport, { begin: { ...call, headers: { Accept: 'text/event-stream' } } }, options);
    }

    /** The events of a run that someone has started, from its first or from `after` on. Leaving does not end the run unless asked. */
    watch(executionId: string, options: WatchOptions = {}): EventStream {
        segment(executionId);
        const start = options.after === undefined ? { executionId } : { executionId, after: options.after };
        return new EventStream(this.transport, start, { onAbort: 'detach', ...options });
    }

    /** Begins a run in the background. */
    start(request: ExecutionRequest, options?: RequestOptions): Promise<StartedExecution> {
        return this.transport.json(this.post('/api/v1/executions', request, options));
    }

    get(executionId: string, options?: RequestOptions): Promise<ExecutionRecord> {
        return this.transport.json({ method: 'GET', path: `/api/v1/executions/${segment(executionId)}`, options });
    }

    /** Interrupts the run; the session keeps its state. */
    cancel(executionId: string, options?: RequestOptions): Promise<Accepted> {
        return this.transport.json({ method: 'DELETE', path: `/api/v1/executions/${segment(executionId)}`, options });
    }

    /** Answers input(). */
    sendInput(executionId: string, text: string, options?: RequestOptions): Promise<Accepted> {
        return this.transport.json({ method: 'POST', path: `/api/v1/executions/${segment(executionId)}/input`, json: { text }, options });
    }
}
