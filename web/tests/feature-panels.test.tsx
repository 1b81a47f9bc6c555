/** The panels for what a server may have beyond running code. */

import { act, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { FilesPanel } from '../src/app/FilesPanel';
import { PackagesPanel } from '../src/app/PackagesPanel';
import { Sandbox } from '../src/app/sandbox';
import { SessionBar, statusOf } from '../src/app/SessionBar';
import { TimelinePanel } from '../src/app/TimelinePanel';
import { useSandboxState } from '../src/app/useSandbox';
import { initialState, type SandboxState } from '../src/state/model';
import { packageRows, stepShare, stepText } from '../src/state/packages';
import { after, event, logText, result, running } from './make';

const ALL = Object.fromEntries(
    [
        ['/api/v1/sessions/{id}/files', 'get'],
        ['/api/v1/sessions/{id}/files/{path}', 'put'],
        ['/api/v1/packages', 'get'],
        ['/api/v1/packages/install', 'post'],
        ['/api/v1/packages/uninstall', 'post'],
        ['/api/v1/sessions/{id}/checkpoints', 'post'],
        ['/api/v1/sessions/{id}/rollback', 'post'],
        ['/api/v1/sessions/{id}/fork', 'post'],
        ['/api/v1/sessions/{id}/race', 'post'],
    ].map(([path, method]) => [path, { [method!]: {} }]),
);

const PARTS = 'shared = 1\n# %% one\na = 1 / 0\n# %% two\na = 2\n';

const calls: { call: string; body: unknown }[] = [];

async function start(routes: Record<string, unknown>): Promise<Sandbox> {
    const known: Record<string, unknown> = { 'GET /openapi.json': { paths: ALL }, 'POST /api/v1/sessions': { id: 's1', status: 'active' }, ...routes };
    vi.stubGlobal('fetch', async (input: string, init: RequestInit = {}) => {
        const call = `${init.method ?? 'GET'} ${input}`;
        calls.push({ call, body: init.body });
        const answer = known[call];
        if (answer === undefined) return new Response('{"statusCode": 404, "message": "not here"}', { status: 404 });
        return typeof answer === 'string' ? new Response(answer, { headers: { 'Content-Type': 'text/event-stream' } }) : new Response(JSON.stringify(answer));
    });
    const sandbox = new Sandbox();
    await sandbox.begin();
    calls.length = 0;
    return sandbox;
}

function Live({ sandbox, panel: Panel }: { sandbox: Sandbox; panel: (props: { sandbox: Sandbox; state: SandboxState }) => React.ReactNode }) {
    return <Panel sandbox={sandbox} state={useSandboxState(sandbox)} />;
}

const States = (props: { sandbox: Sandbox; state: SandboxState }) => <TimelinePanel {...props} code={() => PARTS} />;

const asked = (call: string) => calls.filter((one) => one.call === call);

beforeEach(() => {
    calls.length = 0;
    sessionStorage.clear();
    localStorage.clear();
});

describe('FilesPanel', () => {
    const root = { path: '', entries: [{ name: 'b.txt', path: 'b.txt', type: 'file', size: 1500, modified: '' }, { name: 'data', path: 'data', type: 'directory', size: 0, modified: '' }] };
    const inner = { path: 'data', entries: [{ name: '<i>.csv', path: 'data/<i>.csv', type: 'file', size: 1, modified: '' }] };

    it('shows folders before files, and goes into them and back', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/files': root, 'GET /api/v1/sessions/s1/files?path=data': inner });
        render(<Live sandbox={sandbox} panel={FilesPanel} />);
        await screen.findByRole('button', { name: 'b.txt' });
        expect([...document.querySelectorAll('.file-name')].map((one) => one.textContent)).toEqual(['data', 'b.txt']);
        fireEvent.click(screen.getByRole('button', { name: 'data' }));
        await screen.findByRole('button', { name: '<i>.csv' });
        fireEvent.click(screen.getByRole('button', { name: 'workspace' }));
        await screen.findByRole('button', { name: 'b.txt' });
    });

    it('takes files that are dropped, and deletes', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/files': root, 'PUT /api/v1/sessions/s1/files/new.txt': { path: 'new.txt', size: 3 }, 'DELETE /api/v1/sessions/s1/files/b.txt': {} });
        render(<Live sandbox={sandbox} panel={FilesPanel} />);
        await screen.findByRole('button', { name: 'b.txt' });
        fireEvent.drop(document.querySelector('.files')!, { dataTransfer: { files: [new File(['abc'], 'new.txt')] } });
        await waitFor(() => expect(asked('PUT /api/v1/sessions/s1/files/new.txt')).toHaveLength(1));
        fireEvent.click(screen.getByRole('button', { name: 'Delete b.txt' }));
        await waitFor(() => expect(asked('DELETE /api/v1/sessions/s1/files/b.txt')).toHaveLength(1));
    });

    it('tells what goes wrong', async () => {
        const sandbox = await start({});
        render(<Live sandbox={sandbox} panel={FilesPanel} />);
        await waitFor(() => expect(sandbox.state.notice).toBe('not here'));
    });
});

describe('PackagesPanel', () => {
    const packages = {
        packages: [
            { name: 'numpy', version: '2.4', installed: true, preinstalled: true, category: 'x', description: 'arrays' },
            { name: 'tabulate', version: '', installed: false, preinstalled: false, category: 'x', description: '<img src=x onerror=alert(1)>' },
        ],
        total: 2,
        categories: [],
    };
    const own = { sessionId: 's1', packages: [{ name: 'Wide_Thing', version: '1.0', installed: true, preinstalled: false, requested: false, category: 'x' }, packages.packages[0]] };
    const lists = { 'GET /api/v1/packages': packages, 'GET /api/v1/packages/session/s1': own };
    const stream = (...events: { type: string; data: unknown }[]) => events.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');

    it('installs, says how far it is and what came of it', async () => {
        const result = { success: false, installed: ['tabulate==0.9'], failed: [{ package: 'other', error: 'no wheel' }], logs: [], restartNeeded: ['tabulate'] };
        const sandbox = await start({ ...lists, 'POST /api/v1/packages/install': stream({ type: 'progress', data: { phase: 'downloading', package: 'tabulate.whl', bytes: 30, total: 60 } }, { type: 'complete', data: result }) });
        render(<Live sandbox={sandbox} panel={PackagesPanel} />);
        fireEvent.click(await screen.findByRole('button', { name: 'Install tabulate' }));
        await screen.findByText(/Installed tabulate 0\.9 other: no wheel Imported already.*: tabulate$/);
        expect(JSON.parse(asked('POST /api/v1/packages/install')[0]!.body as string)).toMatchObject({ sessionId: 's1', packages: ['tabulate'] });
        expect(screen.queryByRole('button', { name: 'Install numpy' })).toBeNull();
        expect(document.querySelector('img')).toBeNull();
    });

    it('has the own packages of the session first, and takes them out', async () => {
        const sandbox = await start({ ...lists, 'POST /api/v1/packages/uninstall': { success: true, uninstalled: ['Wide_Thing==1.0'], failed: [], logs: [] } });
        render(<Live sandbox={sandbox} panel={PackagesPanel} />);
        fireEvent.click(await screen.findByRole('button', { name: 'Uninstall Wide_Thing' }));
        await screen.findByText('Uninstalled Wide_Thing 1.0');
        expect([...document.querySelectorAll('.package-list strong')].map((one) => one.textContent)).toEqual(['Wide_Thing', 'tabulate', 'numpy']);
    });

    it('tells why nothing was installed', async () => {
        const sandbox = await start({ ...lists });
        render(<Live sandbox={sandbox} panel={PackagesPanel} />);
        fireEvent.click(await screen.findByRole('button', { name: 'Install tabulate' }));
        await waitFor(() => expect(sandbox.state.notice).toBe('not here'));
        expect((screen.getByRole('button', { name: 'Install tabulate' }) as HTMLButtonElement).disabled).toBe(false);
    });

    it('knows a package by any spelling of its name, and a dependency by a search', () => {
        const offered = [{ name: 'wide-thing', version: '', installed: false, category: 'x' }];
        expect(packageRows(offered, own.packages as never, 'wide')).toEqual([{ name: 'wide-thing', version: '1.0', description: '', standing: 'installed' }]);
        expect(packageRows([], own.packages as never, 'WIDE.th').map((row) => row.name)).toEqual(['Wide_Thing']);
        expect(packageRows([], own.packages as never, 'other')).toEqual([]);
    });

    it('reads the steps of an installation', () => {
        expect(stepText({ phase: 'resolving', package: 'a>=1' })).toBe('Looking for a>=1');
        expect([stepShare({ phase: 'installing', package: 'a' }), stepShare({ phase: 'downloading', package: 'a', bytes: 70, total: 60 })]).toEqual([undefined, 1]);
    });
});

describe('TimelinePanel', () => {
    const checkpoints = { checkpoints: [{ id: 'c1', name: 'clean', createdAt: '2026-01-01T00:00:00Z', executionCount: 3 }] };

    it('goes back to a saved state and says so', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints, 'POST /api/v1/sessions/s1/rollback': { checkpointId: 'c1', restoredTo: 3 } });
        render(<Live sandbox={sandbox} panel={States} />);
        fireEvent.click(screen.getByRole('button', { name: 'Go back to clean' }));
        await waitFor(() => expect(logText(sandbox.state.log)).toBe('Back in the state after run 3.\n'));
        expect(JSON.parse(asked('POST /api/v1/sessions/s1/rollback')[0]!.body as string)).toEqual({ checkpointId: 'c1' });
    });

    it('saves a state under its name', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints, 'POST /api/v1/sessions/s1/checkpoints': { id: 'c2' } });
        render(<Live sandbox={sandbox} panel={States} />);
        fireEvent.change(screen.getByRole('textbox'), { target: { value: ' before ' } });
        fireEvent.submit(screen.getByRole('textbox'));
        await waitFor(() => expect(asked('POST /api/v1/sessions/s1/checkpoints')).toHaveLength(1));
        expect(JSON.parse(asked('POST /api/v1/sessions/s1/checkpoints')[0]!.body as string)).toEqual({ name: 'before' });
    });

    it('goes on in a copy, from which there is a way back', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints, 'POST /api/v1/sessions/s1/fork': { sessions: [{ id: 's2' }] } });
        render(<Live sandbox={sandbox} panel={States} />);
        fireEvent.click(screen.getByRole('button', { name: /^Fork/ }));
        await waitFor(() => expect(sandbox.state.session).toMatchObject({ phase: 'ready', id: 's2' }));
        expect(sessionStorage.getItem('penny.session')).toBe('s2');
        expect(sandbox.state.sessions).toEqual(['s1', 's2']);
        render(<Live sandbox={sandbox} panel={SessionBar} />);
        fireEvent.change(screen.getByRole('combobox', { name: 'Session' }), { target: { value: 's1' } });
        await waitFor(() => expect(sandbox.state.session).toMatchObject({ phase: 'ready', id: 's1' }));
        expect(sandbox.state.sessions).toEqual(['s1', 's2']);
    });

    it('ends a copy and goes on in what it was copied from', async () => {
        const sandbox = await start({ 'DELETE /api/v1/sessions/s2': { success: true } });
        await sandbox.enter('s2');
        await sandbox.end(false);
        expect(sandbox.state.session).toMatchObject({ phase: 'ready', id: 's1' });
        expect(sandbox.state.sessions).toEqual(['s1']);
    });

    it('undoes, saving first what was not saved', async () => {
        const routes = { 'GET /api/v1/sessions/s1/checkpoints': checkpoints, 'POST /api/v1/sessions/s1/checkpoints': { id: 'c2', executionCount: 3 }, 'POST /api/v1/sessions/s1/rollback': { checkpointId: 'c1', restoredTo: 0 } };
        const sandbox = await start(routes);
        render(<Live sandbox={sandbox} panel={States} />);
        act(() => sandbox.dispatch({ type: 'rolledBack', id: 'c1' }));
        expect((screen.getByRole('button', { name: /^Undo/ }) as HTMLButtonElement).disabled).toBe(true);
        act(() => sandbox.dispatch({ type: 'moved' }));
        fireEvent.click(screen.getByRole('button', { name: /^Undo/ }));
        await waitFor(() => expect(logText(sandbox.state.log)).toBe('Back in the state before the first run.\n'));
        expect(JSON.parse(asked('POST /api/v1/sessions/s1/checkpoints')[0]!.body as string)).toEqual({ name: 'Before going back' });
        expect(JSON.parse(asked('POST /api/v1/sessions/s1/rollback')[0]!.body as string)).toEqual({ checkpointId: 'c1' });
    });

    it('says why a state was not saved, and stops nothing', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints });
        render(<Live sandbox={sandbox} panel={States} />);
        act(() => sandbox.dispatch({ type: 'moved' }));
        fireEvent.click(screen.getByRole('button', { name: /^Undo/ }));
        await screen.findByText('Not saved: not here');
        fireEvent.click(screen.getByRole('checkbox', { name: 'Save the state after each run' }));
        expect(sandbox.state.timeline).toMatchObject({ automatic: false, refusal: undefined });
        expect(localStorage.getItem('penny.automatic')).toBe('no');
    });

    it('races the parts of the program and tells how each went', async () => {
        const failed = result({ success: false, status: 'error', error: { type: 'ZeroDivisionError', message: 'division by zero', traceback: '' } });
        const events = [
            { type: 'start', candidate: 0, data: {} },
            { type: 'stdout', candidate: 2, data: 'tw' },
            { type: 'stdout', candidate: 0, data: 'one\nan' },
            { type: 'candidate', candidate: 0, data: failed },
            { type: 'candidate', candidate: 1, data: failed },
            { type: 'stdout', candidate: 2, data: 'o\n' },
            { type: 'candidate', candidate: 2, data: result() },
            { type: 'complete', data: { results: [], winner: 2 } },
        ];
        const stream = events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify({ timestamp: '', ...one })}\n\n`).join('');
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints, 'POST /api/v1/sessions/s1/race': stream });
        render(<Live sandbox={sandbox} panel={States} />);
        fireEvent.click(screen.getByRole('button', { name: 'Race 3 parts' }));
        await waitFor(() => expect(logText(sandbox.state.log)).toContain('Part 3, kept: ok\nThe session goes on from part 3.\n'));
        expect(logText(sandbox.state.log)).toContain('1| one\n1| an\n3| two\nPart 1: error\nZeroDivisionError: division by zero\nPart 2');
        expect(JSON.parse(asked('POST /api/v1/sessions/s1/race')[0]!.body as string)).toMatchObject({ keep: 'firstOk', candidates: ['shared = 1\n', '\na = 1 / 0\n', '\na = 2\n'] });
        await waitFor(() => expect(asked('POST /api/v1/sessions/s1/checkpoints').map((one) => one.body)).toEqual(['{"name":"After run 1"}']));
        expect(sandbox.state.timeline).toMatchObject({ moved: true });
    });

    it('waits for the run', async () => {
        const sandbox = await start({ 'GET /api/v1/sessions/s1/checkpoints': checkpoints });
        render(<Live sandbox={sandbox} panel={States} />);
        act(() => sandbox.dispatch({ type: 'runRequested', key: 9, at: 0, keep: false }));
        expect((screen.getByRole('button', { name: 'Go back to clean' }) as HTMLButtonElement).disabled).toBe(true);
    });
});

describe('the status', () => {
    const over = running(event('complete', result({ success: false, status: 'timeout' })));

    it.each<[string, SandboxState]>([
        ['No session', initialState()],
        ['Opening a session', after([{ type: 'sessionOpening' }])],
        ['Ready', after([{ type: 'sessionOpened', id: 's' }])],
        ['Running', running()],
        ['Interrupting', after([{ type: 'stopRequested' }], running())],
        ['Waiting for input', running(event('inputRequest', { prompt: '', password: false }))],
        ['Reconnecting; the run goes on', after([{ type: 'online', online: false }], running())],
        ['Time limit in 12 ms', over],
    ])('says %s', (text, state) => expect(statusOf(state).text).toBe(text));
});
