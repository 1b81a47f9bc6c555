import { describe, expect, it } from 'vitest';
import { isBusy, lastRun } from '../src/state/model';
import { reduce } from '../src/state/reducer';
import { AT, after, event, logText, plot, result, rows, running } from './make';

const done = (fields = {}) => running(event('stdout', 'a\n'), event('complete', result(fields)));

describe('a run', () => {
    it('goes from idle to running to idle', () => {
        expect(isBusy(running())).toBe(true);
        expect(running().run).toMatchObject({ phase: 'running', executionId: 'e1' });
        const state = done();
        expect(isBusy(state)).toBe(false);
        expect(lastRun(state)).toMatchObject({ status: 'ok', success: true, executionCount: 1, metrics: { executionTime: 12 } });
        expect(logText(state.log)).toBe('a\n');
    });

    it('clears the output of the one before, or keeps it below an echo', () => {
        const again = reduce(done(), { type: 'runRequested', key: 2, at: AT, keep: false });
        expect(again.log.length).toBe(0);
        const kept = reduce(done(), { type: 'runRequested', key: 2, at: AT, keep: true, echo: 'x + 1' });
        expect(logText(kept.log)).toBe('a\nx + 1\n');
    });

    it('does not take events of an earlier one', () => {
        const state = reduce(done(), { type: 'runRequested', key: 2, at: AT, keep: false });
        expect(reduce(state, { type: 'events', key: 1, events: [event('stdout', 'late')], at: AT })).toBe(state);
        expect(reduce(state, { type: 'runBroken', key: 1, message: 'late' })).toBe(state);
        const closed = reduce(running(), { type: 'sessionClosed' });
        expect(reduce(closed, { type: 'events', key: 1, events: [event('stdout', 'late')], at: AT })).toBe(closed);
    });

    it('keeps text, plots and results in the order they came in', () => {
        const bundle = { data: { 'text/plain': 'x', 'text/html': '<table><tr><td>1</td></tr></table>' }, isMainResult: true };
        const state = running(event('stdout', 'one\n'), event('plot', plot('p', 'P')), event('stdout', 'two\n'), event('result', bundle));
        expect(logText(state.log)).toBe('one\n[plot 1: P]\ntwo\nx\n');
        expect(state.plots).toHaveLength(1);
    });

    it('shows a plain value as text, on its own line', () => {
        const state = running(event('stdout', 'no newline'), event('result', { data: { 'text/plain': '[1, 2]' }, isMainResult: true }));
        expect(rows(state.log).map((row) => [row.kind, row.text])).toEqual([['stdout', 'no newline'], ['result', '[1, 2]']]);
    });

    it('makes an interactive figure one of the plots', () => {
        const figure = { data: [], layout: { title: { text: 'Ripple' } } };
        const state = running(event('result', { data: { 'application/vnd.plotly.v1+json': figure, 'text/html': '<script>' } }));
        expect(state.plots[0]).toMatchObject({ format: 'html', metadata: { backend: 'plotly', title: 'Ripple' } });
        expect(JSON.parse(atob(state.plots[0]!.data))).toEqual(figure);
    });

    it('ends with the traceback and marks the line', () => {
        const error = { type: 'ZeroDivisionError', message: 'division by zero', traceback: 'Traceback ...\nZeroDivisionError: division by zero\n', line: 3 };
        const state = done({ success: false, status: 'error', error });
        expect(state.mark).toEqual({ line: 3, column: undefined, message: 'ZeroDivisionError: division by zero', severity: 'error' });
        expect(rows(state.log).filter((row) => row.kind === 'error')).toHaveLength(2);
        expect(reduce(state, { type: 'markCleared' }).mark).toBeUndefined();
    });

    it('tells what became of the state', () => {
        expect(logText(done({ success: false, status: 'memory', state: 'rolledBack', restoredTo: 4 }).log)).toContain('after run 4');
        const lost = running(event('variable', { name: 'x', type: 'int', value: 1 }), event('complete', result({ success: false, status: 'killed', state: 'lost' })));
        expect(lost.variables).toEqual({});
    });

    it('says when output was cut or is no longer there', () => {
        expect(logText(running(event('truncated', { reason: 'limit', message: 'Cut at 10 MB' })).log)).toBe('Cut at 10 MB\n');
        expect(logText(running(event('gap', { after: 1, next: 5, reason: 'dropped' })).log)).toContain('no longer there');
    });

    it('ends when the service fails or the stream is lost', () => {
        expect(isBusy(running(event('error', { error: 'X', message: 'out of order' })))).toBe(false);
        const broken = reduce(running(), { type: 'runBroken', key: 1, message: 'lost' });
        expect(isBusy(broken)).toBe(false);
        expect(logText(broken.log)).toBe('lost\n');
    });

    it('is not disturbed by events that are not what they should be', () => {
        const odd = [event('stdout', { not: 'text' }), event('plot', null), event('result', {}), event('variable', {}), event('news' as never, 1)];
        const state = running(...odd);
        expect(state.log.length).toBe(0);
        expect(state.plots).toEqual([]);
        expect(state.variables).toEqual({});
    });
});

describe('variables', () => {
    it('are those of the events and of the result', () => {
        const output = { stdout: '', stderr: '', plots: [], variables: { y: { type: 'int', value: 2 } } };
        const state = running(event('variable', { name: 'x', type: 'int', value: 1 }), event('complete', result({ output })));
        expect(state.variables).toEqual({ x: { type: 'int', value: 1 }, y: { type: 'int', value: 2 } });
        expect(state.changed).toEqual(['x', 'y']);
    });

    it('may have any name', () => {
        const state = running(event('variable', { name: '__proto__', type: 'int', value: 1 }), event('variable', { name: 'constructor', type: 'str', value: '' }));
        expect(Object.keys(state.variables)).toEqual(['__proto__', 'constructor']);
        expect(({} as { value?: unknown }).value).toBeUndefined();
    });

    it('go with the interpreter', () => {
        const state = running(event('variable', { name: 'x', type: 'int', value: 1 }), event('complete', result()));
        expect(reduce(state, { type: 'variableGone', name: 'x' }).variables).toEqual({});
        expect(reduce(state, { type: 'restarted' }).variables).toEqual({});
        expect(reduce(state, { type: 'sessionClosed' }).session.phase).toBe('none');
    });
});

describe('input', () => {
    const asked = running(event('inputRequest', { prompt: 'Name? ', password: false }));

    it('is asked for and answered', () => {
        expect(asked.run.phase).toBe('input');
        const state = reduce(asked, { type: 'answered', text: 'Ann' });
        expect(state.prompt).toBeUndefined();
        expect(state.run.phase).toBe('running');
        expect(logText(state.log)).toBe('Name? Ann\n');
    });

    it('is not shown when it is a password', () => {
        const state = reduce(running(event('inputRequest', { prompt: 'Password: ', password: true })), { type: 'answered', text: 'secret' });
        expect(logText(state.log)).toBe('Password: ••••••\n');
    });

    it('is over when the run is', () => {
        expect(after([{ type: 'stopRequested' }], asked).prompt).toBeUndefined();
        expect(after([{ type: 'events', key: 1, events: [event('complete', result())], at: AT }], asked).prompt).toBeUndefined();
    });
});

describe('displays', () => {
    const shown = running(event('result', { data: { 'text/plain': 'step 1' }, displayId: 'd' }));

    it('are updated in place', () => {
        const state = after([{ type: 'events', key: 1, events: [event('result', { data: { 'text/plain': 'step 2' }, displayId: 'd', update: true })], at: AT }], shown);
        expect(logText(state.log)).toBe('step 2\n');
    });

    it('are cleared at once, or by what comes next', () => {
        const clear = (wait: boolean) => event('result', { data: {}, metadata: {}, clear: true, wait });
        expect(running(event('stdout', 'a\n'), clear(false)).log.length).toBe(0);
        expect(logText(running(event('stdout', 'a\n'), clear(true)).log)).toBe('a\n');
        expect(logText(running(event('stdout', 'a\n'), clear(true), event('stdout', 'b\n')).log)).toBe('b\n');
    });
});
