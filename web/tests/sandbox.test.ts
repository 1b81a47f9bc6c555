/** What the page asks of the service, against a fetch of our own. */

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Sandbox } from '../src/app/sandbox';
import { merge } from '../src/api/pump';
import { watchedFetch } from '../src/api/online';
import { event, logText, result } from './make';

type Answer = { status?: number; json?: unknown; events?: [type: string, data: unknown][] };

function sse(events: [type: string, data: unknown][]): string {
    return events.map(([type, data], i) => `id: a-${i + 1}\nevent: ${type}\ndata: ${JSON.stringify({ type, data, executionId: 'e1', sessionId: 's1' })}\n\n`).join('');
}

function serve(routes: Record<string, (body: any) => Answer>) {
    const calls: string[] = [];
    vi.stubGlobal('fetch', async (input: string, init: RequestInit = {}) => {
        const call = `${init.method ?? 'GET'} ${input}`;
        calls.push(call);
        const answer = routes[call]?.(init.body ? JSON.parse(init.body as string) : undefined) ?? { status: 404, json: { statusCode: 404, message: `no ${call}` } };
        if (answer.events) return new Response(sse(answer.events), { status: 200, headers: { 'Content-Type': 'text/event-stream' } });
        return new Response(JSON.stringify(answer.json ?? {}), { status: answer.status ?? 200, headers: { 'Content-Type': 'application/json' } });
    });
    return calls;
}

const session = (id: string) => ({ id, createdAt: '', lastActivity: '', status: 'active', variables: {}, installedPackages: [], resourceUsage: { memory: 0, cpu: 0, executions: 0 } });
const ran: Answer = { events: [['start', { executionCount: 1 }], ['stdout', 'hello\n'], ['complete', result()]] };

beforeEach(() => {
    sessionStorage.clear();
    localStorage.clear();
});

describe('Sandbox', () => {
    it('opens a session, runs in it and remembers both', async () => {
        const calls = serve({ 'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }), 'POST /api/v1/execute/stream': () => ran });
        const sandbox = new Sandbox();
        await sandbox.begin();
        expect(sandbox.state.session).toMatchObject({ phase: 'ready', id: 's1' });
        await sandbox.run('print("hello")');
        expect(logText(sandbox.state.log)).toBe('hello\n');
        expect(sandbox.state.run.phase).toBe('idle');
        expect(sessionStorage.getItem('penny.execution')).toBe('e1');
        expect(calls.filter((call) => /^POST .*(sessions|execute)/.test(call))).toEqual(['POST /api/v1/sessions', 'POST /api/v1/execute/stream']);
    });

    it('takes up the session and the run of this tab after a reload', async () => {
        sessionStorage.setItem('penny.session', 's1');
        sessionStorage.setItem('penny.execution', 'e1');
        const calls = serve({ 'GET /api/v1/sessions/s1': () => ({ json: session('s1') }), 'GET /api/v1/executions/e1/events': () => ran });
        const sandbox = new Sandbox();
        await sandbox.begin();
        await vi.waitFor(() => expect(logText(sandbox.state.log)).toBe('hello\n'), 20_000);
        expect(calls.some((call) => /^POST .*(sessions|execute)/.test(call))).toBe(false);
    });

    it('opens another session when that one is gone', async () => {
        sessionStorage.setItem('penny.session', 'old');
        serve({ 'POST /api/v1/sessions': () => ({ status: 201, json: session('new') }) });
        const sandbox = new Sandbox();
        await sandbox.begin();
        expect(sandbox.state.session).toMatchObject({ phase: 'ready', id: 'new' });
    });

    it('runs in a new session when its own has ended', async () => {
        let made = 0;
        serve({
            'POST /api/v1/sessions': () => ({ status: 201, json: session(`s${++made}`) }),
            'POST /api/v1/execute/stream': (body) => (body.sessionId === 's1' ? { status: 410, json: { statusCode: 410, message: 'idle for too long' } } : ran),
        });
        const sandbox = new Sandbox();
        await sandbox.begin();
        await sandbox.run('x');
        expect(made).toBe(2);
        expect(logText(sandbox.state.log)).toBe('The session has ended; this is a new one.\nhello\n');
    });

    it('sends nothing for an empty program, and one run at a time', async () => {
        const calls = serve({ 'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }), 'POST /api/v1/execute/stream': () => ran });
        const sandbox = new Sandbox();
        await sandbox.run('  \n');
        await Promise.all([sandbox.run('a'), sandbox.run('b')]);
        expect(calls.filter((call) => call.includes('stream'))).toHaveLength(1);
    });

    it('shows what the service refuses', async () => {
        serve({
            'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }),
            'POST /api/v1/execute/stream': () => ({ status: 400, json: { statusCode: 400, message: 'timeout must be at most 1000' } }),
        });
        const sandbox = new Sandbox();
        await sandbox.run('a');
        expect(logText(sandbox.state.log)).toBe('timeout must be at most 1000\n');
        expect(sandbox.state.run.phase).toBe('idle');
    });

    it('says when no session can be had', async () => {
        serve({ 'POST /api/v1/sessions': () => ({ status: 400, json: { statusCode: 400, message: 'too many sessions' } }) });
        const sandbox = new Sandbox();
        await sandbox.begin();
        expect(sandbox.state.session).toEqual({ phase: 'failed', message: 'too many sessions' });
    });

    it('asks for variables and states only where the server has them', async () => {
        const paths = { '/api/v1/sessions/{id}/variables': { get: {} }, '/api/v1/sessions/{id}/checkpoints': { get: {}, post: {} } };
        const calls = serve({
            'GET /openapi.json': () => ({ json: { paths } }),
            'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }),
            'GET /api/v1/sessions/s1/variables': () => ({ json: { sessionId: 's1', variables: { x: { type: 'int', value: 1 } } } }),
            'GET /api/v1/sessions/s1/checkpoints': () => ({ json: { checkpoints: [{ id: 'c1', createdAt: '', executionCount: 1 }] } }),
        });
        const sandbox = new Sandbox();
        await sandbox.begin();
        expect(sandbox.state.variables).toEqual({ x: { type: 'int', value: 1 } });
        expect(sandbox.state.timeline.saved).toHaveLength(1);
        expect(calls.some((call) => call.includes('files'))).toBe(false);
    });

    it('saves the state before the first run and after each, one save at a time', async () => {
        const paths = { '/api/v1/sessions/{id}/checkpoints': { get: {}, post: {} }, '/api/v1/sessions/{id}/rollback': { post: {} } };
        const saved: { id: string; name: string; createdAt: string; executionCount: number }[] = [];
        let runs = 0;
        const calls = serve({
            'GET /openapi.json': () => ({ json: { paths } }),
            'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }),
            'GET /api/v1/sessions/s1/checkpoints': () => ({ json: { checkpoints: saved } }),
            'POST /api/v1/sessions/s1/checkpoints': ({ name }) => {
                saved.push({ id: `c${saved.length}`, name, createdAt: '', executionCount: runs });
                return { status: 201, json: saved[saved.length - 1] };
            },
            'POST /api/v1/execute/stream': () => ({ events: [['start', {}], ['complete', result({ executionCount: ++runs })]] }),
        });
        const sandbox = new Sandbox();
        await sandbox.begin();
        const first = sandbox.run('x = 1');
        await vi.waitFor(() => expect(sandbox.state.history).toHaveLength(1), 20_000);
        await Promise.all([first, sandbox.run('x = 2')]);
        expect(saved.map((one) => one.name)).toEqual(['Start', 'After run 1', 'After run 2']);
        const order = calls.filter((call) => /^POST .*(checkpoints|execute)/.test(call)).map((call) => call.split('/').pop());
        expect(order).toEqual(['checkpoints', 'stream', 'checkpoints', 'stream', 'checkpoints']);
        expect(sandbox.state.timeline).toMatchObject({ base: 'c2', moved: false });
        sandbox.saveAfterRuns(false);
        await sandbox.run('x = 3');
        expect(saved).toHaveLength(3);
    });

    it('asks for one thing of each kind where the server has no description', async () => {
        serve({
            'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }),
            'GET /api/v1/sessions/s1/variables': () => ({ json: { sessionId: 's1', variables: {} } }),
            'POST /api/v1/validate': () => ({ status: 422, json: { statusCode: 422, message: 'no' } }),
        });
        const sandbox = new Sandbox();
        await sandbox.begin();
        expect(sandbox.state.features).toMatchObject({ variables: true, variablePages: true, validate: true, files: false, packages: false, checkpoints: false, fork: false });
    });

    it('notices while idle that its session has ended', async () => {
        serve({ 'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }), 'GET /api/v1/sessions/s1/stats': () => ({ status: 410, json: { statusCode: 410, message: 'idle' } }) });
        const sandbox = new Sandbox();
        await sandbox.begin();
        await sandbox.sample();
        expect(sandbox.state.session.phase).toBe('none');
        expect(sessionStorage.getItem('penny.session')).toBeNull();
        expect(logText(sandbox.state.log)).toContain('has ended');
    });

    it('ends the session and tells a failure of what was clicked', async () => {
        serve({ 'POST /api/v1/sessions': () => ({ status: 201, json: session('s1') }), 'DELETE /api/v1/sessions/s1': () => ({ json: { success: true } }) });
        const sandbox = new Sandbox();
        await sandbox.begin();
        await sandbox.end(false);
        expect(sandbox.state.session.phase).toBe('none');
        await sandbox.attempt(() => Promise.reject(new Error('no')));
        expect(sandbox.state.notice).toBe('no');
    });
});

describe('merge', () => {
    it('joins text of one kind and keeps the order', () => {
        const events = [event('stdout', 'a'), event('stdout', 'b'), event('stderr', 'c'), event('stdout', 'd'), event('start', {})];
        expect(merge(events).map((one) => one.data)).toEqual(['ab', 'c', 'd', {}]);
    });
});

describe('watchedFetch', () => {
    it('tells of failures that last, and of the end of them', async () => {
        vi.useFakeTimers();
        const told: boolean[] = [];
        const answers: (() => Promise<Response>)[] = [() => Promise.reject(new TypeError('network')), () => Promise.resolve(new Response('')), () => Promise.resolve(new Response('', { status: 502 }))];
        vi.stubGlobal('fetch', () => answers.shift()!());
        const fetch = watchedFetch((online) => told.push(online));
        await fetch('/a').catch(() => undefined);
        await vi.advanceTimersByTimeAsync(1000);
        await fetch('/b');
        await fetch('/c');
        await vi.advanceTimersByTimeAsync(1000);
        expect(told).toEqual([false, true, false]);
        vi.useRealTimers();
    });
});
