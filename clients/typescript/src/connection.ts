/** One connection that carries events: bytes in, messages out, until it ends, breaks or falls silent. */

import { ConnectionError, ProtocolError } from './errors.js';
import { SseParser, type SseMessage } from './sse.js';
import type { OpenAnswer } from './transport.js';

/** ms that the end of the answer may take after its last event, for the connection to be used again. */
const ENDING_MS = 1000;

function checkType(response: Response): void {
    const type = response.headers.get('content-type') ?? '';
    if (/^\s*(text\/html|application\/json)/i.test(type)) throw new ProtocolError(`Events were asked for, ${type} came`);
}

export class SseConnection {
    private readonly parser = new SseParser();
    private readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
    private silent = false;

    constructor(
        private readonly answer: OpenAnswer,
        private readonly idleMs: number,
    ) {
        try {
            checkType(answer.response);
        } catch (error) {
            answer.close();
            throw error;
        }
        this.reader = answer.response.body?.getReader();
    }

    /** What the service says about the run before its first event. */
    header(name: string): string | undefined {
        return this.answer.response.headers.get(name) ?? undefined;
    }

    /** ms that the service wants a client to wait before it connects again. */
    get retry(): number | undefined {
        return this.parser.retry;
    }

    /** The next messages, at least one; undefined when the answer has ended. Throws ConnectionError when it broke. */
    async next(): Promise<SseMessage[] | undefined> {
        for (;;) {
            const { done, value } = await this.read(this.idleMs);
            if (done) return undefined;
            const messages = this.parser.push(value);
            if (messages.length > 0) return messages;
        }
    }

    private async read(limitMs: number): Promise<{ done: true; value?: undefined } | { done: false; value: Uint8Array }> {
        if (!this.reader) return { done: true };
        const timer = limitMs > 0 ? setTimeout(() => this.fallSilent(), limitMs) : undefined;
        try {
            const { done, value } = await this.reader.read();
            return done || value === undefined ? { done: true } : { done: false, value };
        } catch (error) {
            throw new ConnectionError(this.silent ? `The stream was silent for ${limitMs} ms` : 'The stream was cut', true, error);
        } finally {
            clearTimeout(timer);
        }
    }

    private fallSilent(): void {
        this.silent = true;
        this.answer.close();
    }

    /** After the last event: lets the answer end by itself, so that the connection can be used again, or closes it. */
    async finish(): Promise<void> {
        try {
            const { done } = await this.read(ENDING_MS);
            if (!done) this.close();
        } catch {
            this.close(); /* everything that was wanted has come: how the connection ends is of no interest */
        }
    }

    close(): void {
        this.answer.close();
    }
}
