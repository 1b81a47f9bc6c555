/** The page's state as a function of what has happened. */

import type { Action } from './actions';
import { appendText, emptyLog } from './log';
import { SAMPLES_KEPT, initialState, type SandboxState } from './model';
import { onEvent } from './run-events';
import { emptyTimeline, withList, withMove, withReturn, withSaved } from './timeline';

function begin(state: SandboxState, action: Extract<Action, { type: 'runRequested' }>): SandboxState {
    let { log } = action.keep ? state : { log: emptyLog() };
    if (log.open) log = appendText(log, 'note', '\n');
    if (action.echo !== undefined) log = appendText(log, 'code', `${action.echo.replace(/\n*$/, '')}\n`);
    return {
        ...state,
        log,
        plots: action.keep ? state.plots : [],
        run: { phase: 'starting', key: action.key, startedAt: action.at },
        changed: [],
        mark: undefined,
        prompt: undefined,
        clearPending: false,
        notice: undefined,
    };
}

/** What belonged to the interpreter that is gone. */
function withoutInterpreter(state: SandboxState): SandboxState {
    return { ...state, variables: {}, changed: [], mark: undefined, samples: [] };
}

function answered(state: SandboxState, text: string): SandboxState {
    if (!state.prompt) return state;
    const shown = state.prompt.password ? '•'.repeat(Math.min(text.length, 12)) : text;
    const log = appendText(state.log, 'input', `${state.prompt.prompt}${shown}\n`);
    return { ...state, log, prompt: undefined, run: { ...state.run, phase: 'running' } };
}

function without<T>(record: Readonly<Record<string, T>>, name: string): Record<string, T> {
    return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
}

export function reduce(state: SandboxState, action: Action): SandboxState {
    switch (action.type) {
        case 'sessionOpening':
            return { ...state, session: { phase: 'opening' } };
        case 'sessionOpened':
            return { ...state, session: { phase: 'ready', id: action.id, info: action.info } };
        case 'sessionInfo':
            return state.session.phase === 'ready' && state.session.id === action.info.id ? { ...state, session: { ...state.session, info: action.info } } : state;
        case 'sessionFailed':
            return { ...state, session: { phase: 'failed', message: action.message } };
        case 'sessionClosed':
            return { ...initialState(), features: state.features, online: state.online, sessions: state.sessions, timeline: emptyTimeline(state.timeline.automatic) };
        case 'sessionLost':
            return withoutInterpreter({ ...state, session: { phase: 'none' }, modules: [], timeline: emptyTimeline(state.timeline.automatic), log: appendText(state.log, 'note', `${action.message}\n`) });
        case 'restarted':
            return withoutInterpreter({ ...state, timeline: withMove(state.timeline), log: appendText(state.log, 'note', 'The interpreter was restarted; the files are still there.\n') });
        case 'runRequested':
            return begin(state, action);
        case 'events':
            if (action.key !== state.run.key) return state;
            return action.events.reduce((next, event) => onEvent(next, event, action.at), state);
        case 'runBroken':
            if (action.key !== state.run.key) return state;
            return { ...state, log: appendText(state.log, 'error', action.message && `${action.message}\n`), prompt: undefined, run: { ...state.run, phase: 'idle' } };
        case 'stopRequested':
            return state.run.phase === 'idle' ? state : { ...state, prompt: undefined, run: { ...state.run, phase: 'stopping' } };
        case 'answered':
            return answered(state, action.text);
        case 'text':
            return { ...state, log: appendText(state.log, action.kind, action.text) };
        case 'sampled':
            return { ...state, samples: [...state.samples, action.sample].slice(-SAMPLES_KEPT) };
        case 'online':
            return state.online === action.online ? state : { ...state, online: action.online };
        case 'features':
            return { ...state, features: action.features };
        case 'variables':
            return { ...state, variables: action.variables };
        case 'variableGone':
            return { ...state, variables: without(state.variables, action.name), timeline: withMove(state.timeline) };
        case 'plots':
            return { ...state, plots: action.plots };
        case 'plotDeleted':
            return { ...state, plots: state.plots.filter((_, i) => i !== action.index) };
        case 'checkpoints':
            return { ...state, timeline: withList(state.timeline, action.checkpoints) };
        case 'checkpointSaved':
            return { ...state, timeline: withSaved(state.timeline, action.checkpoint) };
        case 'saveRefused':
            return { ...state, timeline: { ...state.timeline, refusal: action.message } };
        case 'rolledBack':
            return { ...state, timeline: withReturn(state.timeline, action.id), changed: [], mark: undefined };
        case 'moved':
            return { ...state, timeline: withMove(state.timeline) };
        case 'automatic':
            return { ...state, timeline: { ...state.timeline, automatic: action.automatic, refusal: undefined } };
        case 'sessions':
            return { ...state, sessions: action.ids };
        case 'modules':
            return { ...state, modules: action.modules };
        case 'outputCleared':
            return { ...state, log: emptyLog(), plots: [], mark: undefined };
        case 'markCleared':
            return state.mark === undefined ? state : { ...state, mark: undefined };
        case 'notice':
            return { ...state, notice: action.message };
    }
}
