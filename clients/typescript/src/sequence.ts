/**
 * The order of a run's events. An id is `<epoch>-<number>`, numbers count from 1 without holes except where a `gap` event says so.
 * So an event that comes twice is seen and dropped, and one that is missing is noticed.
 */

import { ProtocolError } from './errors.js';
import { Parts, type WireEvent } from './parts.js';
import type { SseMessage } from './sse.js';

export type Taken = WireEvent | 'seen' | 'partial' | 'missing';

function parseId(id: string): { epoch: string; number: number } | undefined {
    const match = /^([0-9a-f]+)-(\d+)$/i.exec(id);
    return match ? { epoch: match[1]!.toLowerCase(), number: Number(match[2]) } : undefined;
}

function decode(message: SseMessage): WireEvent {
    let value: any;
    try {
        value = JSON.parse(message.data);
    } catch {
        throw new ProtocolError('The data of an event is not JSON', message.data.slice(0, 1024));
    }
    if (value === null || typeof value !== 'object' || typeof value.type !== 'string') {
        throw new ProtocolError('An event has no type', message.data.slice(0, 1024));
    }
    return message.id === '' ? value : { ...value, id: message.id };
}

export class Sequence {
    private readonly parts: Parts;
    private epoch: string | undefined;
    private number = 0;
    executionId: string | undefined;
    sessionId: string | undefined;

    /** `lastEventId`: what the caller has already, from another stream of the same run. The number alone will do. */
    constructor(public lastEventId?: string) {
        const start = parseId(lastEventId ?? '');
        if (start) this.begin(start.epoch, start.number);
        else if (/^\d+$/.test(lastEventId ?? '')) this.begin(undefined, Number(lastEventId));
        this.parts = new Parts(lastEventId !== undefined);
    }

    private begin(epoch: string | undefined, number: number): void {
        this.epoch = epoch;
        this.number = number;
    }

    /** 'missing': there is an event between this one and the last, so that this connection is of no use. */
    take(message: SseMessage): Taken {
        const event = decode(message);
        const id = parseId(message.id);
        if (id && event.type === 'gap') this.skipTo(id.epoch, id.number);
        else if (id) {
            const place = this.place(id.epoch, id.number);
            if (place !== 'next') return place;
            this.begin(id.epoch, id.number);
        }
        if (message.id !== '') this.lastEventId = message.id;
        this.executionId = event.executionId ?? this.executionId;
        this.sessionId = event.sessionId ?? this.sessionId;
        return this.parts.add(event) ?? 'partial';
    }

    private skipTo(epoch: string, number: number): void {
        this.begin(epoch, number);
        this.parts.loseSome();
    }

    private place(epoch: string, number: number): 'next' | 'seen' | 'missing' {
        if (this.epoch !== undefined && epoch !== this.epoch) throw new ProtocolError(`An event of another run (${epoch}, not ${this.epoch}) came`);
        if (number <= this.number) return 'seen';
        return number === this.number + 1 ? 'next' : 'missing';
    }
}
