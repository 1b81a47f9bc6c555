/** Name, examples, Run and what else is always at hand. */

import { IconButton } from '../components/ui/IconButton';
import { isBusy, type SandboxState } from '../state/model';
import { EXAMPLES } from './examples';
import type { Theme } from './useTheme';

interface Props {
    state: SandboxState;
    theme: Theme;
    onTheme: () => void;
    onRun: () => void;
    onRunSelection: () => void;
    onInterrupt: () => void;
    onExample: (code: string) => void;
    onFormat: () => void;
    onSave: () => void;
    limit: number;
    onLimit: (ms: number) => void;
}

export const LIMITS: readonly [ms: number, text: string][] = [[30_000, '30 s'], [60_000, '1 min'], [300_000, '5 min']];

/** What the session's policy allows. */
function limitOf(state: SandboxState): number {
    const limits = state.session.phase === 'ready' ? state.session.info?.limits : undefined;
    return typeof limits?.executionTime === 'number' ? limits.executionTime : Infinity;
}

const MAC = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent);
const KEY = MAC ? '⌘' : 'Ctrl+';

export function TopBar(props: Props) {
    const busy = isBusy(props.state);
    const longest = limitOf(props.state);
    return (
        <header className="top-bar">
            <h1 className="brand">
                <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="9" /><path d="M7 14.5V6h3.4a2.7 2.7 0 0 1 0 5.4H7" /></svg>
                <span>Penny <span className="brand-second">Sandbox</span></span>
            </h1>
            <select className="examples" aria-label="Load an example" value="" onChange={(event) => props.onExample(EXAMPLES[Number(event.target.value)]?.code ?? '')}>
                <option value="" disabled>Examples</option>
                {EXAMPLES.map((example, i) => <option key={example.name} value={i}>{example.name}</option>)}
            </select>
            <span className="spacer" />
            <span className="tools">
                <IconButton icon="tidy" label="Tidy the code: spaces at line ends" onClick={props.onFormat} />
                <IconButton icon="save" label={`Save the code as a file (${KEY}S)`} onClick={props.onSave} />
                <label className="limit">
                    <span>Limit</span>
                    <select aria-label="Time limit of a run" value={props.limit} onChange={(event) => props.onLimit(Number(event.target.value))}>
                        {LIMITS.filter(([ms]) => ms <= longest).map(([ms, text]) => <option key={ms} value={ms}>{text}</option>)}
                    </select>
                </label>
                <IconButton icon={props.theme === 'dark' ? 'sun' : 'moon'} label={props.theme === 'dark' ? 'Light colours' : 'Dark colours'} onClick={props.onTheme} />
            </span>
            <span className="run-buttons">
                <IconButton icon="playPart" label={`Run the selection, or the line (${KEY}Shift+Enter)`} disabled={busy} onClick={props.onRunSelection} />
                {busy ? (
                    <IconButton className="button-stop" icon="stop" label="Interrupt the run; variables are kept" text="Interrupt" disabled={props.state.run.phase === 'stopping'} onClick={props.onInterrupt} />
                ) : (
                    <IconButton className="button-primary" icon="play" label={`Run (${KEY}Enter)`} text="Run" onClick={props.onRun} />
                )}
            </span>
        </header>
    );
}
