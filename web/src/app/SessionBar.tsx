/** The state of the session and what can be done with it as a whole. */

import { useEffect, useState } from 'react';
import { downloadText } from '../components/ui/download';
import { IconButton } from '../components/ui/IconButton';
import { formatBytes, formatMs } from '../state/format';
import { isBusy, lastRun, type SandboxState } from '../state/model';
import { statusLabel } from '../components/output/MetricsView';
import { undoTarget } from '../state/timeline';
import { Meter } from './Meter';
import type { Sandbox } from './sandbox';
import { undo } from './timeline';

interface Status {
    readonly tone: 'idle' | 'busy' | 'bad' | 'wait';
    readonly text: string;
}

const PHASES = { starting: 'Starting', running: 'Running', input: 'Waiting for input', stopping: 'Interrupting' } as const;

export function statusOf(state: SandboxState): Status {
    if (!state.online) return { tone: 'wait', text: isBusy(state) ? 'Reconnecting; the run goes on' : 'No connection to the service' };
    if (state.session.phase === 'failed') return { tone: 'bad', text: 'No session' };
    if (state.run.phase !== 'idle') return { tone: state.run.phase === 'input' ? 'wait' : 'busy', text: PHASES[state.run.phase] };
    if (state.session.phase !== 'ready') return { tone: 'wait', text: state.session.phase === 'opening' ? 'Opening a session' : 'No session' };
    const last = lastRun(state);
    if (!last) return { tone: 'idle', text: 'Ready' };
    return { tone: last.success ? 'idle' : 'bad', text: `${statusLabel(last.status)} in ${formatMs(last.metrics.executionTime)}` };
}

/** Seconds since the run began, while it goes on. */
function useElapsed(state: SandboxState): string {
    const busy = isBusy(state);
    const [now, setNow] = useState(Date.now);
    useEffect(() => {
        if (!busy) return undefined;
        setNow(Date.now());
        const timer = setInterval(() => setNow(Date.now()), 100);
        return () => clearInterval(timer);
    }, [busy, state.run.key]);
    return busy ? `${(Math.max(0, now - state.run.startedAt) / 1000).toFixed(1)} s` : '';
}

/** The session's id; where this tab has more than one, the way to the others. */
function SessionName({ id, ids, onEnter }: { id: string; ids: readonly string[]; onEnter: (id: string) => void }) {
    if (ids.length < 2) return <code className="session-id" title={`Session ${id}`}>{id.slice(0, 8)}</code>;
    return (
        <select className="session-id" aria-label="Session" value={id} onChange={(event) => onEnter(event.target.value)}>
            {ids.map((one) => <option key={one} value={one}>{one.slice(0, 8)}</option>)}
        </select>
    );
}

async function saveNotebook(sandbox: Sandbox): Promise<void> {
    const { session } = sandbox;
    if (session) downloadText(JSON.stringify(await session.notebook(), null, 1), `session-${session.id.slice(0, 8)}.ipynb`, 'application/x-ipynb+json');
}

export function SessionBar({ sandbox, state }: { sandbox: Sandbox; state: SandboxState }) {
    const status = statusOf(state);
    const elapsed = useElapsed(state);
    const id = state.session.phase === 'ready' ? state.session.id : undefined;
    const idle = id !== undefined && !isBusy(state);
    const act = (work: () => Promise<unknown>) => () => void sandbox.attempt(work);
    return (
        <footer className="session-bar" aria-label="Session">
            <span className={`session-status tone-${status.tone}`} role="status">
                <span className="dot" aria-hidden="true" />
                {status.text}
            </span>
            {elapsed && <span className="session-elapsed" aria-hidden="true">{elapsed}</span>}
            {state.notice && (
                <span className="session-notice" role="alert">
                    {state.notice} <button type="button" className="link" onClick={() => sandbox.dispatch({ type: 'notice', message: undefined })}>Dismiss</button>
                </span>
            )}
            {state.session.phase === 'failed' && (
                <span className="session-notice" role="alert">
                    {state.session.message} <button type="button" className="link" onClick={act(() => sandbox.open())}>Try again</button>
                </span>
            )}
            <span className="spacer" />
            {id && (
                <>
                    <Meter label="CPU" samples={state.samples} of={(sample) => sample.cpu} top={100} show={(value) => `${Math.round(value)}%`} />
                    <Meter label="Memory" samples={state.samples} of={(sample) => sample.memory} top={128e6} show={formatBytes} />
                    <SessionName id={id} ids={state.sessions} onEnter={(other) => void sandbox.attempt(() => sandbox.enter(other))} />
                </>
            )}
            <span className="session-actions">
                {state.features.rollback && (
                    <IconButton icon="undo" label="Undo the last run: back to the state before it" disabled={!idle || undoTarget(state.timeline) === undefined} onClick={act(() => undo(sandbox))} />
                )}
                {state.features.notebook && (
                    <IconButton icon="notebook" label="Save the session as a notebook" disabled={!id} onClick={act(() => saveNotebook(sandbox))} />
                )}
                <IconButton icon="restart" label="Restart the interpreter: variables are lost, files stay" disabled={!id} onClick={act(() => sandbox.restart())} />
                <IconButton icon="plus" label="New session: this one is ended" onClick={act(() => sandbox.end(true))} />
                <IconButton icon="trash" label="End the session" disabled={!id} onClick={act(() => sandbox.end(false))} />
            </span>
        </footer>
    );
}
