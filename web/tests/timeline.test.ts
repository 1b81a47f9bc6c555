/** Saved states: undo, redo and what is dropped. */

import type { Checkpoint } from '@penny/sandbox-client';
import { describe, expect, it } from 'vitest';
import { AUTOMATIC_KEPT, afterRun, emptyTimeline, redoTarget, surplus, undoTarget, withList, withMove, withReturn, withRollback, withSaved, type Timeline } from '../src/state/timeline';

const state = (id: string, executionCount: number, name = afterRun(executionCount)): Checkpoint => ({ id, name, createdAt: '2026-01-01T00:00:00Z', executionCount });
const run = (timeline: Timeline, id: string, count: number) => withSaved(withMove(timeline), state(id, count));

/** Three runs, each saved. */
const three = () => run(run(run(withSaved(emptyTimeline(), state('s', 0, 'Start')), 'a', 1), 'b', 2), 'c', 3);

describe('undo', () => {
    it('has nowhere to go from the beginning', () => {
        expect(undoTarget(emptyTimeline())).toBeUndefined();
        expect(undoTarget(withSaved(emptyTimeline(), state('s', 0)))).toBeUndefined();
    });

    it('goes back state by state, and redo on again', () => {
        let timeline = three();
        for (const id of ['b', 'a', 's']) {
            expect(undoTarget(timeline)).toBe(id);
            timeline = withReturn(timeline, id);
        }
        expect(undoTarget(timeline)).toBeUndefined();
        for (const id of ['a', 'b', 'c']) {
            expect(redoTarget(timeline)).toBe(id);
            timeline = withReturn(timeline, id);
        }
        expect(redoTarget(timeline)).toBeUndefined();
        expect(undoTarget(timeline)).toBe('b');
    });

    it('goes to the last saved state from what has not been saved', () => {
        expect(undoTarget(withMove(three()))).toBe('c');
    });

    it('follows the branch, not the clock', () => {
        const back = withReturn(withReturn(three(), 'b'), 'a');
        const branch = run(back, 'd', 4);
        expect(undoTarget(branch)).toBe('a');
        expect(redoTarget(branch)).toBeUndefined();
    });

    it('passes over states that are gone', () => {
        const timeline = three();
        expect(undoTarget(withList(timeline, timeline.saved.filter((one) => one.id !== 'b')))).toBe('a');
        const undone = withReturn(timeline, 'b');
        expect(redoTarget(withList(undone, undone.saved.filter((one) => one.id !== 'c')))).toBeUndefined();
    });

    it('takes the order of the list where it has not seen the states made', () => {
        const found = withList(emptyTimeline(), [state('x', 1), state('y', 2)]);
        expect(undoTarget(found)).toBe('y');
        expect(undoTarget(withReturn(found, 'y'))).toBe('x');
    });

    it('a jump to another state forgets what could be redone', () => {
        const back = withReturn(withReturn(three(), 'b'), 'a');
        expect(redoTarget(withReturn(back, 'c'))).toBeUndefined();
    });
});

it('a failure that led back to the saved state leaves nothing to save', () => {
    const failed = withMove(three());
    expect(withRollback(failed, 3).moved).toBe(false);
    expect(withRollback(failed, 2).moved).toBe(true);
});

it('drops the oldest of its own, never a named one nor the present one', () => {
    let timeline = withSaved(emptyTimeline(), state('mine', 0, 'clean data'));
    for (let i = 1; i <= AUTOMATIC_KEPT + 3; i++) timeline = run(timeline, `r${i}`, i);
    expect(surplus(timeline)).toEqual(['r1', 'r2']);
    expect(surplus(withReturn(timeline, 'r1'))).toEqual(['r2', 'r3']);
});
