/** What one event of a run makes of the state. */

import type { ExecutionResult, MimeBundle, NamedVariableData, PlotData, StreamEvent } from '@penny/sandbox-client';
import { appendBlock, appendText, emptyLog, updateBlock } from './log';
import { HISTORY_KEPT, type Mark, type RunSummary, type SandboxState } from './model';
import { chooseForm, rowsOf } from './result';
import { withMove, withRollback } from './timeline';

const PLOT_ROWS = 16;

/** State ready for new output. */
function written(state: SandboxState): SandboxState {
    return state.clearPending ? { ...state, log: emptyLog(), plots: [], clearPending: false } : state;
}

function addText(state: SandboxState, kind: 'stdout' | 'stderr' | 'error' | 'note', text: unknown): SandboxState {
    if (typeof text !== 'string' || text === '') return state;
    const ready = written(state);
    return { ...ready, log: appendText(ready.log, kind, text) };
}

function addPlot(state: SandboxState, plot: PlotData): SandboxState {
    if (typeof plot?.data !== 'string') return state;
    const ready = written(state);
    const index = ready.plots.length;
    return { ...ready, plots: [...ready.plots, plot], log: appendBlock(ready.log, { type: 'plot', plot, index }, PLOT_ROWS) };
}

function encode(text: string): string {
    const bytes = new TextEncoder().encode(text);
    let binary = '';
    for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(binary);
}

/** An interactive figure is also one of the run's plots. */
function figurePlot(figure: unknown, id: string): PlotData {
    const layout = (figure as { layout?: { title?: { text?: unknown } } }).layout;
    const title = layout?.title?.text;
    const metadata = { width: 0, height: 0, backend: 'plotly', interactive: true, ...(typeof title === 'string' ? { title } : {}) };
    return { id, format: 'html', data: encode(JSON.stringify(figure)), metadata };
}

function addResult(state: SandboxState, bundle: MimeBundle, id: string): SandboxState {
    if (bundle.clear) return bundle.wait ? { ...state, clearPending: true } : { ...state, log: emptyLog(), plots: [] };
    if (typeof bundle.data !== 'object' || bundle.data === null) return state;
    if (bundle.update && bundle.displayId !== undefined) return { ...state, log: updateBlock(state.log, bundle.displayId, bundle) };
    const ready = written(state);
    const shown = chooseForm(bundle);
    const height = bundle.displayId === undefined ? rowsOf(shown) : Math.max(2, rowsOf(shown));
    if (shown.form === 'text' && bundle.displayId === undefined) {
        return shown.text === '' ? ready : { ...ready, log: appendText(ready.log, 'result', `${shown.text.replace(/\n$/, '')}\n`) };
    }
    const plots = shown.form === 'plotly' ? [...ready.plots, figurePlot(shown.figure, id)] : ready.plots;
    return { ...ready, plots, log: appendBlock(ready.log, { type: 'result', bundle, displayId: bundle.displayId }, height) };
}

function setVariable(state: SandboxState, data: NamedVariableData): SandboxState {
    if (typeof data?.name !== 'string') return state;
    const { name, ...variable } = data;
    const changed = state.changed.includes(name) ? state.changed : [...state.changed, name];
    return { ...state, variables: { ...state.variables, [name]: variable }, changed };
}

function markOf(result: ExecutionResult): Mark | undefined {
    const error = result.error;
    if (!error || typeof error.line !== 'number') return undefined;
    return { line: error.line, column: error.column, message: `${error.type}: ${error.message}`, severity: 'error' };
}

const CONSEQUENCES: Record<string, (result: ExecutionResult) => string | undefined> = {
    kept: () => undefined,
    rolledBack: (result) => `The session is back in the state after run ${result.restoredTo ?? 0}.`,
    lost: () => 'The variables of the session are gone; its files are still there.',
};

function summary(state: SandboxState, result: ExecutionResult, at: number): RunSummary {
    const { success, metrics, restoredTo, executionCount, truncated } = result;
    const status = result.status ?? (success ? 'ok' : 'error');
    return {
        key: state.run.key,
        at,
        status,
        success,
        state: result.state,
        restoredTo,
        executionCount,
        metrics: metrics ?? { executionTime: at - state.run.startedAt, memoryUsage: 0, cpuUsage: 0 },
        truncated,
        artifacts: result.artifacts ?? [],
    };
}

function finish(state: SandboxState, result: ExecutionResult, at: number): SandboxState {
    let next = state;
    const error = result.error;
    if (error?.type !== undefined) next = addText(next, 'error', `${error.traceback || `${error.type}: ${error.message}`}`.replace(/\n*$/, '\n'));
    const told = [result.notice, CONSEQUENCES[result.state ?? 'kept']?.(result)].filter(Boolean).join('\n');
    if (told) next = addText(next, 'note', `${told}\n`);
    const variables = Object.entries(result.output?.variables ?? {});
    for (const [name, data] of variables) if (!next.changed.includes(name)) next = setVariable(next, { ...data, name });
    if (result.state === 'lost') next = { ...next, variables: Object.fromEntries(variables) };
    if (result.state === 'rolledBack') next = { ...next, timeline: withRollback(next.timeline, result.restoredTo) };
    const history = [...next.history, summary(next, result, at)].slice(-HISTORY_KEPT);
    return { ...next, history, mark: markOf(result), prompt: undefined, run: { ...next.run, phase: 'idle' } };
}

export function onEvent(state: SandboxState, event: StreamEvent, at: number): SandboxState {
    switch (event.type) {
        case 'start':
            return { ...state, timeline: withMove(state.timeline), run: { ...state.run, phase: state.run.phase === 'stopping' ? 'stopping' : 'running', executionId: event.executionId } };
        case 'stdout':
        case 'stderr':
            return addText(state, event.type, event.data);
        case 'plot':
            return addPlot(state, event.data);
        case 'result':
            return addResult(state, event.data, event.id ?? `${state.log.length}`);
        case 'variable':
            return setVariable(state, event.data);
        case 'inputRequest':
            return { ...state, prompt: { prompt: String(event.data?.prompt ?? ''), password: Boolean(event.data?.password) }, run: { ...state.run, phase: 'input' } };
        case 'truncated':
            return addText(state, 'note', `${event.data?.message || 'The output limit is reached; what comes after it is not shown.'}\n`);
        case 'gap':
            return addText(state, 'note', 'A part of the output is no longer there.\n');
        case 'complete':
            return finish(state, event.data, at);
        case 'error':
            return { ...addText(state, 'error', `The service failed: ${event.data?.message ?? ''}\n`), prompt: undefined, run: { ...state.run, phase: 'idle' } };
        default:
            return state;
    }
}
