/**
 * Where the session is among its saved states. Each state remembers the one it was made from, so that undo goes back along the way
 * that led here, and not to whatever was saved last.
 */

import type { Checkpoint } from '@penny/sandbox-client';

export interface Timeline {
    /** Oldest first. */
    readonly saved: readonly Checkpoint[];
    /** The saved state that the session is in, or has gone on from. */
    readonly base: string | undefined;
    /** Something has run or been set since then. */
    readonly moved: boolean;
    readonly parents: ReadonlyMap<string, string | undefined>;
    /** What undo has left; the last one is where redo goes. */
    readonly undone: readonly string[];
    /** Whether the page saves the state after each run. */
    readonly automatic: boolean;
    /** Why the service would not save. */
    readonly refusal: string | undefined;
}

/** Of those that the page has saved by itself. */
export const AUTOMATIC_KEPT = 6;

export const START = 'Start';
export const BEFORE_UNDO = 'Before going back';
export const afterRun = (count: number): string => `After run ${count}`;

export function emptyTimeline(automatic = true): Timeline {
    return { saved: [], base: undefined, moved: false, parents: new Map(), undone: [], automatic, refusal: undefined };
}

const has = (timeline: Timeline, id: string | undefined): boolean => timeline.saved.some((one) => one.id === id);

/** What the service says is saved; it may have dropped some. */
export function withList(timeline: Timeline, saved: readonly Checkpoint[]): Timeline {
    return { ...timeline, saved, undone: timeline.undone.filter((id) => saved.some((one) => one.id === id)) };
}

export function withSaved(timeline: Timeline, checkpoint: Checkpoint): Timeline {
    const parents = new Map(timeline.parents).set(checkpoint.id, timeline.base);
    return { ...timeline, saved: [...timeline.saved, checkpoint], parents, base: checkpoint.id, moved: false, refusal: undefined };
}

export function withMove(timeline: Timeline): Timeline {
    return { ...timeline, moved: true, undone: [] };
}

/** The state from which this one was made, or the nearest older one that is still saved. */
function before(timeline: Timeline, id: string): string | undefined {
    if (!timeline.parents.has(id)) return timeline.saved[timeline.saved.findIndex((one) => one.id === id) - 1]?.id;
    let parent = timeline.parents.get(id);
    while (parent !== undefined && !has(timeline, parent)) parent = timeline.parents.get(parent);
    return parent;
}

export function undoTarget(timeline: Timeline): string | undefined {
    const { base, moved, saved } = timeline;
    if (base === undefined) return saved[saved.length - 1]?.id;
    return moved && has(timeline, base) ? base : before(timeline, base);
}

export function redoTarget(timeline: Timeline): string | undefined {
    return timeline.undone[timeline.undone.length - 1];
}

/** The session is in this state now. */
export function withReturn(timeline: Timeline, id: string): Timeline {
    const at = { ...timeline, base: id, moved: false };
    if (id === redoTarget(timeline)) return { ...at, undone: timeline.undone.slice(0, -1) };
    if (id === undoTarget(timeline) && timeline.base !== undefined && !timeline.moved) return { ...at, undone: [...timeline.undone, timeline.base] };
    return { ...at, undone: [] };
}

/** A failed run has left the session in the state after this run. */
export function withRollback(timeline: Timeline, restoredTo: number | undefined): Timeline {
    const base = timeline.saved.find((one) => one.id === timeline.base);
    return base !== undefined && base.executionCount === restoredTo ? { ...timeline, moved: false } : timeline;
}

const isAutomatic = ({ name = '' }: Checkpoint): boolean => name === START || name === BEFORE_UNDO || /^After run \d+$/.test(name);

/** Automatic ones that are too many, the oldest first. */
export function surplus(timeline: Timeline): string[] {
    const own = timeline.saved.filter((one) => isAutomatic(one) && one.id !== timeline.base);
    return own.slice(0, Math.max(0, own.length - AUTOMATIC_KEPT)).map((one) => one.id);
}
