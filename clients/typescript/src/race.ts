/** A race as it happens: each candidate's events as they come, then what became of it. */

import { Collector } from './collector.js';
import type { RequestOptions } from './config.js';
import { SseConnection } from './connection.js';
import { AbortedError, ProtocolError, StreamLostError } from './errors.js';
import type { StreamEvent } from './event-types.js';
import type { ExecutionResult } from './execution-types.js';
import { Parts, type WireEvent } from './parts.js';
import type { RaceOptions, RaceResult } from './session-types.js';
import type { SseMessage } from './sse.js';
import type { Call, Transport } from './transport.js';

/** `candidate`: whose event it is, from 0. Each candidate's last one is its `complete` (or `error`, when the service failed). */
export type RaceEvent = StreamEvent & { candidate: number };
export type OnRaceEvent = (event: RaceEvent) => unknown;

type CandidateEvent = WireEvent & { candidate?: unknown };

function decode(message: SseMessage): CandidateEvent {
    let event: any;
    try {
        event = JSON.parse(message.data);
    } catch {
        throw new ProtocolError('The data of an event is not JSON', message.data.slice(0, 1024));
    }
    if (event === null || typeof event !== 'object' || typeof event.type !== 'string') throw new ProtocolError('An event has no type', message.data.slice(0, 1024));
    return event;
}

/** One candidate: its events, which come between those of the others, and its result once it has ended. */
class Candidate {
    private readonly parts = new Parts();
    private readonly collector = new Collector();
    result: ExecutionResult | null = null;

    constructor(private readonly number: number) {}

    /** The event to pass on; undefined while parts of it are missing. */
    take(wire: WireEvent): RaceEvent | undefined {
        const whole = this.parts.add(wire.type === 'candidate' ? { ...wire, type: wire.data?.status === undefined ? 'error' : 'complete' } : wire);
        if (!whole) return undefined;
        const event = { ...whole, candidate: this.number } as RaceEvent;
        this.collector.collect(event);
        if (event.type !== 'complete') return event;
        this.result = this.collector.finish(event.data);
        return { ...event, data: this.result };
    }
}

export class Race {
    private readonly candidates: Candidate[];

    constructor(
        private readonly transport: Transport,
        private readonly sessionId: string,
        private readonly call: Call,
        race: RaceOptions,
    ) {
        this.candidates = race.candidates.map((_, i) => new Candidate(i));
    }

    /** To its end. A stream that is cut off can't be gone on with: the race is interrupted then, and the session as it was. */
    async run(onEvent: OnRaceEvent | undefined, options: RequestOptions | undefined): Promise<RaceResult> {
        const connection = new SseConnection(await this.transport.open(this.call), this.transport.config.streamIdleTimeout);
        let done = false;
        try {
            for (;;) {
                const messages = await connection.next();
                if (!messages) throw new StreamLostError('The stream ended before the race did; the race is interrupted');
                for (const message of messages) {
                    const event = decode(message);
                    if (event.candidate === undefined && event.type === 'complete') {
                        done = true;
                        void connection.finish();
                        return this.finish(event.data);
                    }
                    const told = this.candidateOf(event).take(event);
                    if (told) await onEvent?.(told);
                }
            }
        } catch (error) {
            throw options?.signal?.aborted ? new AbortedError(options.signal.reason) : error;
        } finally {
            if (!done) connection.close();
        }
    }

    private candidateOf(event: CandidateEvent): Candidate {
        const found = typeof event.candidate === 'number' ? this.candidates[event.candidate] : undefined;
        if (!found) throw new ProtocolError('An event of a race is of no candidate', event);
        return found;
    }

    private finish(told: any): RaceResult {
        if (told === null || typeof told !== 'object') throw new ProtocolError('A race has no result');
        const results = this.candidates.map(({ result }) => result) as ExecutionResult[];
        return { sessionId: this.sessionId, results, winner: typeof told.winner === 'number' ? told.winner : null };
    }
}
