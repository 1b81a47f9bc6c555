/**
 * A plot, result or variable too long for one event comes as several of type `part`, one directly after the other, each with a
 * piece of the value's JSON text. Here they become one event again. The pieces outlive a cut connection.
 */

import { ProtocolError } from './errors.js';
import { MAX_EVENT_CHARS } from './sse.js';

/** An event as it is on the wire. */
export interface WireEvent {
    type: string;
    data: any;
    timestamp: string;
    executionId?: string;
    sessionId?: string;
    id?: string;
}

function isPart(data: any): data is { type: string; part: number; parts: number; chunk: string } {
    const { type, part, parts, chunk } = data ?? {};
    return typeof type === 'string' && typeof chunk === 'string' && Number.isInteger(part) && Number.isInteger(parts) && part >= 0 && part < parts;
}

export class Parts {
    private chunks: string[] = [];
    private type = '';
    private length = 0;

    /** `broken`: the first part to come may not be the first of its value. */
    constructor(private broken = false) {}

    /** After a gap the rest of a value may come without its beginning: that is then passed over. */
    loseSome(): void {
        this.chunks = [];
        this.broken = true;
    }

    /** The event itself, the joined event with its last part, or undefined while parts are missing. */
    add(event: WireEvent): WireEvent | undefined {
        if (event.type !== 'part') {
            if (event.type !== 'gap' && this.chunks.length > 0) throw new ProtocolError(`A ${this.type} was sent in parts and its end never came`);
            if (event.type !== 'gap') this.broken = false;
            return event;
        }
        if (!isPart(event.data)) throw new ProtocolError('A part of an event is malformed', event.data);
        return this.isExpected(event.data) ? this.join(event) : undefined;
    }

    private isExpected(data: { type: string; part: number }): boolean {
        const first = data.part === 0;
        if (first) this.broken = false;
        if (this.broken) return false;
        if (data.part !== this.chunks.length || (!first && data.type !== this.type)) {
            throw new ProtocolError(`Part ${data.part} of a ${data.type} came where part ${this.chunks.length} was due`);
        }
        if (first) this.length = 0;
        this.type = data.type;
        return true;
    }

    private join(event: WireEvent): WireEvent | undefined {
        const { chunk, part, parts } = event.data;
        this.length += chunk.length;
        if (this.length > MAX_EVENT_CHARS) throw new ProtocolError(`A ${this.type} is longer than ${MAX_EVENT_CHARS} characters`);
        this.chunks.push(chunk);
        if (part + 1 < parts) return undefined;
        const text = this.chunks.join('');
        this.chunks = [];
        return { ...event, type: this.type, data: parseValue(text, this.type) };
    }
}

function parseValue(text: string, type: string): any {
    try {
        return JSON.parse(text);
    } catch {
        throw new ProtocolError(`The parts of a ${type} do not make up one value`);
    }
}
