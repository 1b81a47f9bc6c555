/** A run's events, in order and once each, over as many connections as it takes. */

import type { ResolvedConfig } from './config.js';
import { SseConnection } from './connection.js';
import { AbortedError, ConnectionError, RequestTimeoutError, SandboxError, StreamLostError } from './errors.js';
import { pause } from './limit.js';
import type { WireEvent } from './parts.js';
import { Sequence, type Taken } from './sequence.js';
import type { SseMessage } from './sse.js';
import { segment, type Call, type Transport } from './transport.js';

const EVENT_STREAM = { Accept: 'text/event-stream', 'Cache-Control': 'no-cache' };

export interface FlowStart {
    /** The POST that begins the run, or nothing to watch `executionId`. It is sent once, whatever happens. */
    begin?: Call;
    executionId?: string;
    /** The id of the last event that is known. */
    after?: string;
}

export function eventsCall(executionId: string, after: string | undefined): Call {
    const headers: Record<string, string> = after === undefined ? EVENT_STREAM : { ...EVENT_STREAM, 'Last-Event-ID': after };
    return { method: 'GET', path: `/api/v1/executions/${segment(executionId)}/events`, headers, once: true };
}

export function isTerminal(event: WireEvent): boolean {
    return event.type === 'complete' || event.type === 'error';
}

/** Whether trying again later can help. */
function isPassing(error: unknown): boolean {
    if (error instanceof ConnectionError || error instanceof RequestTimeoutError) return true;
    const status = error instanceof SandboxError ? error.statusCode : undefined;
    return status !== undefined && (status >= 500 || status === 429 || status === 408);
}

export class EventFlow {
    private readonly config: ResolvedConfig;
    private readonly sequence: Sequence;
    private failures = 0;
    private cut = false;
    private cause: unknown;
    private retry: number | undefined;
    private known: string | undefined;

    constructor(
        private readonly transport: Transport,
        private readonly start: FlowStart,
        private readonly signal: AbortSignal,
        private readonly onKnown: () => void,
    ) {
        this.config = transport.config;
        this.sequence = new Sequence(start.after);
        this.known = start.executionId;
    }

    get executionId(): string | undefined {
        return this.known;
    }

    get sessionId(): string | undefined {
        return this.sequence.sessionId;
    }

    async *events(): AsyncGenerator<WireEvent, void, undefined> {
        let connection = await this.first();
        let done = false;
        try {
            for (;;) {
                const messages = await this.receive(connection);
                for (const message of messages) {
                    const taken = this.take(message);
                    if (taken === 'missing') break;
                    if (typeof taken === 'string') continue;
                    done = isTerminal(taken);
                    if (done) void connection.finish();
                    yield taken;
                    if (done) return;
                }
                if (!this.cut) continue;
                connection.close();
                connection = await this.resume();
            }
        } finally {
            if (!done) connection.close();
        }
    }

    private take(message: SseMessage): Taken {
        const taken = this.sequence.take(message);
        if (taken === 'missing') this.breakOff(new ConnectionError(`The event before ${message.id} is missing`, true));
        else if (taken !== 'seen') this.failures = 0;
        this.learn(this.sequence.executionId);
        return taken;
    }

    private breakOff(cause: unknown): void {
        this.cut = true;
        this.cause = cause;
    }

    /** The next messages; none, and `cut` set, when the connection is at its end. */
    private async receive(connection: SseConnection): Promise<SseMessage[]> {
        try {
            const messages = await connection.next();
            if (messages) return messages;
            this.breakOff(new ConnectionError('The stream ended before the run did', true));
        } catch (error) {
            this.throwIfFinal(error);
            this.breakOff(error);
        }
        this.retry = connection.retry ?? this.retry;
        return [];
    }

    private throwIfFinal(error: unknown): void {
        if (this.signal.aborted) throw new AbortedError(this.signal.reason, this.known);
        if (!isPassing(error)) throw error;
    }

    private learn(executionId: string | undefined): void {
        if (this.known !== undefined || executionId === undefined) return;
        this.known = executionId;
        this.onKnown();
    }

    private async connect(call: Call): Promise<SseConnection> {
        const answer = await this.transport.open({ ...call, options: { ...call.options, signal: this.signal } });
        const connection = new SseConnection(answer, this.config.streamIdleTimeout);
        this.learn(connection.header('x-execution-id'));
        this.cut = false;
        return connection;
    }

    private first(): Promise<SseConnection> {
        return this.start.begin ? this.connect(this.start.begin) : this.resume();
    }

    private async resume(): Promise<SseConnection> {
        for (;;) {
            const executionId = this.known;
            if (executionId === undefined) throw this.lost('The connection was cut before the service named the run; it is not started again');
            if (this.failures > this.config.resumeAttempts) throw this.lost(`The stream could not be resumed: ${String((this.cause as Error)?.message)}`);
            await pause(this.delay(), this.signal);
            this.failures++;
            try {
                return await this.connect(eventsCall(executionId, this.sequence.lastEventId));
            } catch (error) {
                this.throwIfFinal(error);
                this.cause = error;
            }
        }
    }

    private lost(message: string): StreamLostError {
        return new StreamLostError(message, this.known, this.sequence.lastEventId, this.cause);
    }

    /** ms before the next attempt: the first is made at once. */
    private delay(): number {
        const asked = this.cause instanceof SandboxError ? this.cause.retryAfter : undefined;
        if (asked !== undefined) return Math.min(asked * 1000, this.config.maxRetryDelay);
        if (this.failures === 0) return 0;
        const base = this.retry ?? this.config.resumeDelay;
        return Math.min(base * 2 ** (this.failures - 1), this.config.maxResumeDelay);
    }
}
