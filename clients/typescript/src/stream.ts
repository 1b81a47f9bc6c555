/** One streamed run: the events as an async iterator, the result, and what can be done to the run meanwhile. */

import type { RequestOptions } from './config.js';
import { Collector } from './collector.js';
import { AbortedError, ProtocolError, StreamFailedError, StreamLostError } from './errors.js';
import type { StreamEvent } from './event-types.js';
import type { ExecutionResult } from './execution-types.js';
import { EventFlow, type FlowStart } from './flow.js';
import type { WireEvent } from './parts.js';
import type { Accepted } from './session-types.js';
import { segment, type Transport } from './transport.js';

/** ms that an aborted run whose id is not known yet may take to name it, and that its cancelling may take. */
const CANCEL_MS = 5000;

export interface ExecuteStreamOptions extends RequestOptions {
    /**
     * What happens to the run when `signal` fires, the loop over the events is left early, or onEvent throws. cancel (the default):
     * it is interrupted, the session keeps its state. detach: it goes on; `watch(executionId)` finds it again.
     */
    onAbort?: 'cancel' | 'detach';
}

export interface WatchOptions extends ExecuteStreamOptions {
    /** The id of the last event that is known: only what comes after it is sent. */
    after?: string;
}

export class EventStream implements AsyncIterableIterator<StreamEvent> {
    private readonly stop = new AbortController();
    private readonly flow: EventFlow;
    private readonly source: AsyncGenerator<WireEvent, void, undefined>;
    private readonly collector: Collector;
    private readonly onSignal = () => this.abort();
    private graceTimer: ReturnType<typeof setTimeout> | undefined;
    private ending: Promise<boolean> | undefined;
    private final: ExecutionResult | undefined;
    private failure: unknown;
    private over = false;

    constructor(
        private readonly transport: Transport,
        start: FlowStart,
        private readonly options: ExecuteStreamOptions,
    ) {
        this.flow = new EventFlow(transport, start, this.stop.signal, () => this.onKnown());
        this.source = this.flow.events();
        this.collector = new Collector(start.after === undefined);
        if (options.signal?.aborted) this.stop.abort(options.signal.reason);
        else options.signal?.addEventListener('abort', this.onSignal, { once: true });
    }

    /** Known from the first event on at the latest. */
    get executionId(): string | undefined {
        return this.flow.executionId;
    }

    get sessionId(): string | undefined {
        return this.flow.sessionId;
    }

    [Symbol.asyncIterator](): this {
        return this;
    }

    /** The next event. The request is made when the first one is asked for. */
    async next(): Promise<IteratorResult<StreamEvent, undefined>> {
        if (this.failure !== undefined) throw this.failure;
        if (this.over) return { done: true, value: undefined };
        try {
            const { done, value } = await this.source.next();
            if (!done) return { done: false, value: this.accept(value) };
            this.release();
            return { done: true, value: undefined };
        } catch (error) {
            this.failure = await this.explain(error);
            this.release();
            throw this.failure;
        }
    }

    /** Leaving a `for await` early comes here. */
    async return(): Promise<IteratorResult<StreamEvent, undefined>> {
        if (!this.over && this.failure === undefined) {
            this.release();
            await this.source.return();
            if (this.final === undefined && this.options.onAbort !== 'detach') await this.tryCancel();
        }
        return { done: true, value: undefined };
    }

    /** Reads what is left of the events and gives the whole result. */
    async result(): Promise<ExecutionResult> {
        while (!(await this.next()).done);
        if (this.final === undefined) throw new StreamLostError('The stream was left before its end', this.executionId);
        return this.final;
    }

    /** Interrupts the run; its events go on to their end. */
    async cancel(): Promise<Accepted> {
        return this.transport.json({ method: 'DELETE', path: this.address() });
    }

    /** Answers an inputRequest event. */
    async sendInput(text: string): Promise<Accepted> {
        return this.transport.json({ method: 'POST', path: `${this.address()}/input`, json: { text } });
    }

    private address(): string {
        if (this.executionId === undefined) throw new StreamLostError('The run has no id yet: its first event has not come');
        return `/api/v1/executions/${segment(this.executionId)}`;
    }

    private accept(wire: WireEvent): StreamEvent {
        const event = wire as StreamEvent;
        this.collector.collect(event);
        if (event.type === 'error') {
            this.failure = new StreamFailedError(event.data?.message || event.data?.error || 'The service failed', event.data, this.executionId);
            this.release();
        }
        if (event.type !== 'complete') return event;
        if (event.data === null || typeof event.data !== 'object') throw new ProtocolError('A complete event has no result');
        this.final = this.collector.finish(event.data);
        return { ...event, data: this.final };
    }

    private release(): void {
        this.over = true;
        clearTimeout(this.graceTimer);
        this.options.signal?.removeEventListener('abort', this.onSignal);
    }

    /* Aborting. To cancel a run one must know its id, so the stream stays open until it does. */

    private abort(): void {
        if (this.final !== undefined || this.failure !== undefined) return;
        if (this.options.onAbort === 'detach' || this.executionId !== undefined) this.end();
        else this.graceTimer = setTimeout(() => this.end(), CANCEL_MS);
    }

    private onKnown(): void {
        if (this.options.signal?.aborted) this.end();
    }

    private end(): void {
        clearTimeout(this.graceTimer);
        this.stop.abort(this.options.signal?.reason);
        this.ending = this.options.onAbort === 'detach' ? Promise.resolve(false) : this.tryCancel();
    }

    /** Whether the service has taken the request to cancel. */
    private async tryCancel(): Promise<boolean> {
        if (this.executionId === undefined) return false;
        try {
            await this.transport.json({ method: 'DELETE', path: this.address(), timeout: CANCEL_MS });
            return true;
        } catch {
            return false; /* AbortedError.cancelled says so */
        }
    }

    private async explain(error: unknown): Promise<unknown> {
        if (!this.options.signal?.aborted || !this.stop.signal.aborted) return error;
        return new AbortedError(this.options.signal.reason, this.executionId, (await this.ending) ?? false);
    }
}
