/** What can be done with saved states: save, go back, go on again; and copies of the whole session. */

import type { RaceEvent, RaceResult } from '@penny/sandbox-client';
import { isBusy, lastRun } from '../state/model';
import { BEFORE_UNDO, START, afterRun, redoTarget, surplus, undoTarget } from '../state/timeline';
import { say, type Sandbox } from './sandbox';

export async function saveState(sandbox: Sandbox, name?: string): Promise<void> {
    const { session } = sandbox;
    if (!session) return;
    const checkpoint = await session.createCheckpoint(name);
    if (sandbox.session?.id === session.id) sandbox.dispatch({ type: 'checkpointSaved', checkpoint });
}

export async function deleteState(sandbox: Sandbox, id: string): Promise<void> {
    await sandbox.session?.deleteCheckpoint(id);
    sandbox.dispatch({ type: 'checkpoints', checkpoints: sandbox.state.timeline.saved.filter((one) => one.id !== id) });
}

/** Saves by itself where that is wanted and can be done. That it could not be is told in the list of states, and stops nothing. */
async function autosave(sandbox: Sandbox, name: string): Promise<void> {
    const { features, timeline } = sandbox.state;
    if (!features.checkpoints || !features.rollback || !timeline.automatic) return;
    try {
        await saveState(sandbox, name);
        for (const id of surplus(sandbox.state.timeline)) await deleteState(sandbox, id);
    } catch (error) {
        sandbox.dispatch({ type: 'saveRefused', message: say(error) });
    }
}

/** Before the first run, so that it too can be undone. */
export async function saveStart(sandbox: Sandbox): Promise<void> {
    const { saved, base, moved } = sandbox.state.timeline;
    if (saved.length === 0 && base === undefined && !moved) await autosave(sandbox, START);
}

export async function saveAfterRun(sandbox: Sandbox): Promise<void> {
    const { timeline } = sandbox.state;
    const count = lastRun(sandbox.state)?.executionCount;
    if (!timeline.moved || isBusy(sandbox.state) || count === undefined) return;
    // After a reload the page follows its last run once more, whose state is saved already.
    if (!timeline.saved.some((one) => one.name === afterRun(count) && one.executionCount === count)) await autosave(sandbox, afterRun(count));
}

export async function goTo(sandbox: Sandbox, id: string): Promise<void> {
    const { session } = sandbox;
    if (!session) return;
    const { restoredTo } = await session.rollback(id);
    sandbox.dispatch({ type: 'rolledBack', id });
    sandbox.dispatch({ type: 'text', kind: 'note', text: restoredTo === 0 ? 'Back in the state before the first run.\n' : `Back in the state after run ${restoredTo}.\n` });
    await sandbox.refresh();
}

export async function undo(sandbox: Sandbox): Promise<void> {
    const target = undoTarget(sandbox.state.timeline);
    if (target === undefined) return;
    // So that one can come back from going back.
    if (sandbox.state.timeline.moved) await autosave(sandbox, BEFORE_UNDO);
    await goTo(sandbox, target);
}

export async function redo(sandbox: Sandbox): Promise<void> {
    const target = redoTarget(sandbox.state.timeline);
    if (target !== undefined) await goTo(sandbox, target);
}

export async function fork(sandbox: Sandbox): Promise<void> {
    const old = sandbox.session;
    const [copy] = (await old?.fork(1)) ?? [];
    if (!old || !copy) return;
    await sandbox.enter(copy.id);
    sandbox.dispatch({ type: 'text', kind: 'note', text: `This is a copy of session ${old.id.slice(0, 8)}, which lives on.${copy.family?.filesShared ? ' They share their files.' : ''}\n` });
}

/** The parts of a program between lines that begin with `# %%`. */
export function partsOf(code: string): string[] {
    return code.split(/^# %%.*$/m).filter((part) => part.trim() !== '');
}

/** What the parts print while they race: whole lines, each with its part's number in front, since they come between each other. */
export class RaceLines {
    private readonly begun = new Map<string, string>();

    constructor(private readonly show: (kind: 'stdout' | 'stderr', text: string) => void) {}

    take(event: RaceEvent): void {
        if (event.type === 'stdout' || event.type === 'stderr') this.add(event.candidate, event.type, event.data);
        if (event.type !== 'complete' && event.type !== 'error') return;
        for (const kind of ['stdout', 'stderr'] as const) if (this.begun.get(`${event.candidate} ${kind}`)) this.add(event.candidate, kind, '\n');
    }

    private add(candidate: number, kind: 'stdout' | 'stderr', text: string): void {
        const key = `${candidate} ${kind}`;
        const lines = `${this.begun.get(key) ?? ''}${text}`.split('\n');
        this.begun.set(key, lines.pop()!);
        if (lines.length > 0) this.show(kind, lines.map((line) => `${candidate + 1}| ${line}\n`).join(''));
    }
}

function told({ results, winner }: RaceResult): string {
    const lines = results.map((one, i) => {
        const failure = one?.error ? `\n${one.error.type}: ${one.error.message}` : '';
        return `Part ${i + 1}${i === winner ? ', kept' : ''}: ${one?.status ?? 'lost'}${failure}`;
    });
    return `${lines.join('\n')}\n${winner === null ? 'No part succeeded; the session is as it was.' : `The session goes on from part ${winner + 1}.`}\n`;
}

/** Each part runs in a copy of the session, what it prints is shown as it comes; the first that succeeds becomes the session. */
export async function race(sandbox: Sandbox, candidates: string[], timeout: number): Promise<void> {
    const lines = new RaceLines((kind, text) => sandbox.dispatch({ type: 'text', kind, text }));
    const result = await sandbox.session?.raceStream({ candidates, keep: 'firstOk', timeout }, (event) => lines.take(event));
    if (!result) return;
    sandbox.dispatch({ type: 'text', kind: 'note', text: told(result) });
    const count = result.winner === null ? undefined : result.results[result.winner]?.executionCount;
    if (count !== undefined) {
        // The states that were saved were the old interpreter's, and are gone with it.
        sandbox.dispatch({ type: 'checkpoints', checkpoints: [] });
        sandbox.dispatch({ type: 'moved' });
        await autosave(sandbox, afterRun(count));
    }
    await sandbox.refresh();
}
