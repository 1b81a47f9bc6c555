/** Saved states of the session: save one, go back to one, or go on in a copy. */

import { useState, type FormEvent } from 'react';
import type { Checkpoint } from '@penny/sandbox-client';
import { IconButton } from '../components/ui/IconButton';
import { isBusy, sessionId, type SandboxState } from '../state/model';
import type { Sandbox } from './sandbox';

export async function rollBack(sandbox: Sandbox, checkpoint?: Checkpoint): Promise<void> {
    const answer = await sandbox.session?.rollback(checkpoint?.id);
    if (!answer) return;
    sandbox.dispatch({ type: 'text', kind: 'note', text: `Back in the state after run ${answer.restoredTo}.\n` });
    await sandbox.refresh();
}

async function fork(sandbox: Sandbox): Promise<void> {
    const [copy] = (await sandbox.session?.fork(1)) ?? [];
    if (!copy) return;
    const old = sandbox.session?.id.slice(0, 8);
    await sandbox.enter(copy.id);
    sandbox.dispatch({ type: 'text', kind: 'note', text: `This is a copy of session ${old}, which lives on.\n` });
}

export function TimelinePanel({ sandbox, state }: { sandbox: Sandbox; state: SandboxState }) {
    const [name, setName] = useState('');
    const { features, checkpoints } = state;
    const idle = sessionId(state) !== undefined && !isBusy(state);
    const save = (event: FormEvent) => {
        event.preventDefault();
        void sandbox.attempt(async () => {
            await sandbox.session?.createCheckpoint(name.trim() === '' ? undefined : name.trim());
            setName('');
            await sandbox.refresh();
        });
    };
    return (
        <div className="timeline">
            <div className="panel-bar">
                {features.checkpoints && (
                    <form onSubmit={save}>
                        <input value={name} placeholder="Name of the saved state" aria-label="Name of the saved state" onChange={(event) => setName(event.target.value)} />
                        <button type="submit" className="button" disabled={!idle}>Save the state</button>
                    </form>
                )}
                <span className="spacer" />
                {features.rollback && <IconButton icon="undo" label="Undo: back to the newest saved state" text="Undo" disabled={!idle} onClick={() => void sandbox.attempt(() => rollBack(sandbox))} />}
                {features.fork && <IconButton icon="fork" label="Fork: go on in a copy of this session" text="Fork" disabled={!idle} onClick={() => void sandbox.attempt(() => fork(sandbox))} />}
            </div>
            <ol className="checkpoints" reversed>
                {[...checkpoints].reverse().map((checkpoint) => (
                    <li key={checkpoint.id}>
                        <Moment checkpoint={checkpoint} />
                        {features.rollback && <button type="button" className="button" disabled={!idle} onClick={() => void sandbox.attempt(() => rollBack(sandbox, checkpoint))}>Go back</button>}
                    </li>
                ))}
            </ol>
            {checkpoints.length === 0 && <div className="empty">Saved states are shown here.</div>}
        </div>
    );
}

function Moment({ checkpoint }: { checkpoint: Checkpoint }) {
    return (
        <span>
            <strong>{checkpoint.name ?? 'State'}</strong>{' '}
            <span className="quiet">after run {checkpoint.executionCount}, {new Date(checkpoint.createdAt).toLocaleTimeString()}</span>
        </span>
    );
}
