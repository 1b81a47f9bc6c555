/** Carries the events of a stream to the state, all that came within a frame at once. */

import type { StreamEvent } from '@penny/sandbox-client';

export const FRAME_MS = 16;
/** Hidden pages get no frames. */
const HIDDEN_MS = 250;
/** Events of one turn: a flood of them must not keep the page from drawing. */
const TURN = 2000;

/** Text that follows text of the same kind becomes one event. */
export function merge(events: readonly StreamEvent[]): StreamEvent[] {
    const merged: StreamEvent[] = [];
    for (const event of events) {
        const last = merged[merged.length - 1];
        if (last && (event.type === 'stdout' || event.type === 'stderr') && last.type === event.type) merged[merged.length - 1] = { ...event, data: last.data + event.data };
        else merged.push(event);
    }
    return merged;
}

export async function pump(events: AsyncIterable<StreamEvent>, deliver: (events: StreamEvent[]) => void): Promise<void> {
    let waiting: StreamEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const flush = () => {
        clearTimeout(timer);
        timer = undefined;
        if (waiting.length === 0) return;
        const batch = merge(waiting);
        waiting = [];
        deliver(batch);
    };
    try {
        for await (const event of events) {
            waiting.push(event);
            timer ??= setTimeout(flush, document.hidden ? HIDDEN_MS : FRAME_MS);
            if (waiting.length >= TURN) {
                flush();
                await new Promise((resolve) => setTimeout(resolve));
            }
        }
    } finally {
        flush();
    }
}
