/** Saved states of the session: save one, go back to one, or go on in a copy. */

import { useState, type FormEvent } from 'react';
import type { Checkpoint } from '@penny/sandbox-client';
import { IconButton } from '../components/ui/IconButton';
import { formatBytes } from '../state/format';
import { isBusy, sessionId, type SandboxState } from '../state/model';
import { afterRun, redoTarget, undoTarget } from '../state/timeline';
import { RaceBar } from './RaceBar';
import type { Sandbox } from './sandbox';
import { deleteState, fork, goTo, redo, saveState, undo } from './timeline';

interface Props {
    sandbox: Sandbox;
    state: SandboxState;
    /** The editor's. */
    code: () => string;
}

export function TimelinePanel({ sandbox, state, code }: Props) {
    const { features, timeline } = state;
    const idle = sessionId(state) !== undefined && !isBusy(state);
    const act = (work: (sandbox: Sandbox) => Promise<void>) => () => void sandbox.attempt(() => work(sandbox));
    return (
        <div className="timeline">
            <div className="panel-bar">
                {features.checkpoints && <SaveForm sandbox={sandbox} idle={idle} />}
                <span className="spacer" />
                {features.rollback && (
                    <>
                        <IconButton icon="undo" label="Undo: back to the state before" text="Undo" disabled={!idle || undoTarget(timeline) === undefined} onClick={act(undo)} />
                        <IconButton icon="redo" label="Redo: to the state that undo has left" text="Redo" disabled={!idle || redoTarget(timeline) === undefined} onClick={act(redo)} />
                    </>
                )}
                {features.fork && <IconButton icon="fork" label="Fork: go on in a copy of this session" text="Fork" disabled={!idle} onClick={act(fork)} />}
            </div>
            {features.checkpoints && (
                <label className="automatic">
                    <input type="checkbox" checked={timeline.automatic} onChange={(event) => sandbox.saveAfterRuns(event.target.checked)} /> Save the state after each run
                </label>
            )}
            {timeline.refusal && <p className="refusal bad" role="status">Not saved: {timeline.refusal}</p>}
            {timeline.saved.length === 0 && <div className="empty">Saved states are shown here.</div>}
            <ol className="checkpoints" reversed aria-label="Saved states">
                {[...timeline.saved].reverse().map((checkpoint) => (
                    <Moment
                        key={checkpoint.id}
                        checkpoint={checkpoint}
                        place={checkpoint.id === timeline.base ? (timeline.moved ? 'from' : 'here') : undefined}
                        onGo={features.rollback ? act(() => goTo(sandbox, checkpoint.id)) : undefined}
                        onDelete={act(() => deleteState(sandbox, checkpoint.id))}
                        idle={idle}
                    />
                ))}
            </ol>
            {features.race && <RaceBar sandbox={sandbox} idle={idle} code={code} />}
        </div>
    );
}

function SaveForm({ sandbox, idle }: { sandbox: Sandbox; idle: boolean }) {
    const [name, setName] = useState('');
    const save = (event: FormEvent) => {
        event.preventDefault();
        void sandbox.attempt(async () => {
            await saveState(sandbox, name.trim() === '' ? undefined : name.trim());
            setName('');
        });
    };
    return (
        <form onSubmit={save}>
            <input value={name} placeholder="Name of the state" aria-label="Name of the saved state" maxLength={100} onChange={(event) => setName(event.target.value)} />
            <button type="submit" className="button" disabled={!idle}>Save the state</button>
        </form>
    );
}

const PLACES = { here: 'the session is here', from: 'the session has gone on from here' } as const;

interface MomentProps {
    checkpoint: Checkpoint;
    place: keyof typeof PLACES | undefined;
    onGo: (() => void) | undefined;
    onDelete: () => void;
    idle: boolean;
}

function Moment({ checkpoint, place, onGo, onDelete, idle }: MomentProps) {
    const name = checkpoint.name || 'State';
    const { executionCount: count, memory } = checkpoint;
    const facts = [new Date(checkpoint.createdAt).toLocaleTimeString()];
    if (name !== afterRun(count)) facts.unshift(count === 0 ? 'before the first run' : `after run ${count}`);
    if (memory) facts.push(`up to ${formatBytes(memory)}`);
    return (
        <li aria-current={place === 'here' ? 'step' : undefined}>
            <span className={`moment ${place ? `moment-${place}` : ''}`}>
                <strong>{name}</strong> <span className="quiet">{facts.join(', ')}{place && `; ${PLACES[place]}`}</span>
            </span>
            <span className="spacer" />
            {onGo && <button type="button" className="button" aria-label={`Go back to ${name}`} disabled={!idle || place === 'here'} onClick={onGo}>Go back</button>}
            <IconButton icon="trash" label={`Delete the state ${name}`} onClick={onDelete} />
        </li>
    );
}
