/* Streams over connections that break: at every byte, again and again, with events doubled and missing. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
    ConnectionError,
    NotFoundError,
    ProtocolError,
    SandboxClient,
    StreamLostError,
    type ExecutionResult,
    type StreamEvent,
} from '@penny/sandbox-client';
import { EXECUTION, EPOCH, FakeRun, FakeServer, complete, cutAfter, reply, reservePort, sse, type Delivery, type Told } from './fake.js';

const FAST = { retryDelay: 1, resumeDelay: 1, maxResumeDelay: 2, resumeAttempts: 5 };

const PLOT = { id: 'p1', format: 'png', data: Buffer.from('\x89PNG not really').toString('base64'), metadata: { width: 10, height: 6 } };
const BIG = JSON.stringify({ data: { 'text/html': '<b>\u00e4\u{1F40D}</b>' }, isMainResult: true });

const EVENTS: Told[] = [
    { type: 'start', data: { executionCount: 1 } },
    { type: 'stdout', data: 'na\u00efve \u{1F40D}\r\n' },
    { type: 'stderr', data: 'oh\n' },
    { type: 'plot', data: PLOT },
    { type: 'part', data: { type: 'result', part: 0, parts: 3, chunk: BIG.slice(0, 10) } },
    { type: 'part', data: { type: 'result', part: 1, parts: 3, chunk: BIG.slice(10, 20) } },
    { type: 'part', data: { type: 'result', part: 2, parts: 3, chunk: BIG.slice(20) } },
    { type: 'variable', data: { name: '__proto__', type: 'int', value: 1 } },
    { type: 'stdout', data: 'end\n' },
    complete({ stdout: 'na\u00efve' }, { truncated: true }),
];

const TYPES = ['start', 'stdout', 'stderr', 'plot', 'result', 'variable', 'stdout', 'complete'];

function checkResult(result: ExecutionResult): void {
    assert.equal(result.output.stdout, 'na\u00efve \u{1F40D}\r\nend\n');
    assert.equal(result.output.stderr, 'oh\n');
    assert.deepEqual(result.output.plots, [PLOT]);
    assert.deepEqual(result.output.results, [JSON.parse(BIG)]);
    assert.deepEqual(Object.keys(result.output.variables), ['__proto__']);
    assert.equal(result.truncated, undefined, 'what the complete event left out has been put back');
}

async function withRun<T>(run: FakeRun, use: (client: SandboxClient, server: FakeServer) => Promise<T>): Promise<T> {
    const server = await FakeServer.start(run.answer);
    try {
        return await use(new SandboxClient({ baseUrl: server.url, ...FAST }), server);
    } finally {
        await server.stop();
    }
}

async function collect(client: SandboxClient): Promise<{ events: StreamEvent[]; result: ExecutionResult }> {
    const events: StreamEvent[] = [];
    const result = await client.executeStream({ code: 'x' }, (event) => void events.push(event));
    return { events, result };
}

/** Runs it with this delivery and checks that the outcome equals the undisturbed one, by one single POST. */
async function survives(deliver: Delivery, prepare: (run: FakeRun) => void = () => {}): Promise<FakeRun> {
    const run = new FakeRun(EVENTS, deliver);
    prepare(run);
    await withRun(run, async (client) => {
        const { events, result } = await collect(client);
        assert.deepEqual(events.map((event) => event.type), TYPES);
        checkResult(result);
        assert.equal(run.starts, 1, 'the code was sent once');
    });
    return run;
}

const FIRST_EVENT = Buffer.byteLength(sse(EVENTS[0]!, 1));

test('undisturbed: the events in order, parts joined, the result whole', async () => {
    await survives((bytes, res) => res.end(bytes));
});

test('every byte in a write of its own', async () => {
    await survives(async (bytes, res) => {
        for (const byte of bytes) {
            res.write(Uint8Array.of(byte));
            await new Promise(setImmediate);
        }
        res.end();
    });
});

test('with CRLF and with CR', async () => {
    for (const eol of ['\r\n', '\r']) {
        const run = new FakeRun(EVENTS, undefined, (event, number) => sse(event, number, eol));
        await withRun(run, async (client) => checkResult((await collect(client)).result));
    }
});

test('with comments everywhere', async () => {
    const run = new FakeRun(EVENTS, undefined, (event, number) => `: ping\n\n:\n${sse(event, number)}: ping\n\n`);
    await withRun(run, async (client) => checkResult((await collect(client)).result));
});

test('cut once at every byte after the first event: nothing lost, nothing twice, one POST', async () => {
    const run = new FakeRun(EVENTS);
    const total = run.bytes().length;
    await withRun(run, async (client) => {
        for (let at = FIRST_EVENT; at < total; at++) {
            run.starts = 0;
            run.connections = 0;
            run.deliver = (bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, at)) : res.end(bytes));
            const { events, result } = await collect(client);
            assert.deepEqual(events.map((event) => event.type), TYPES, `cut at byte ${at}`);
            checkResult(result);
            assert.equal(run.starts, 1);
        }
    });
});

test('cut before the first event: resumed when the answer names the run', async () => {
    for (let at = 0; at < FIRST_EVENT; at += 7) {
        const run = await survives(
            (bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, at)) : res.end(bytes)),
            (each) => (each.head = { 'X-Execution-Id': EXECUTION }),
        );
        assert.deepEqual(run.resumedAfter, [undefined]);
    }
});

test('cut before the run has a name: an error that says so, and the code is not sent again', async () => {
    for (let at = 0; at < FIRST_EVENT; at += 7) {
        const run = new FakeRun(EVENTS, (bytes, res) => cutAfter(res, bytes.subarray(0, at)));
        await withRun(run, async (client, server) => {
            await assert.rejects(collect(client), (error: any) => error instanceof StreamLostError && error.executionId === undefined);
            assert.equal(run.starts, 1);
            assert.equal(server.seen.length, 1);
        });
    }
});

test('cut before any answer: an error that says so, and the code is not sent again', async () => {
    const server = await FakeServer.start((_seen, res) => res.destroy());
    const client = new SandboxClient({ baseUrl: server.url, ...FAST });
    await assert.rejects(collect(client), (error: any) => error instanceof ConnectionError && error.sent);
    assert.equal(server.seen.length, 1);
    await server.stop();
});

test('cut again after every event', async () => {
    const run = await survives((bytes, res) => {
        const end = bytes.indexOf('\n\n') + 2;
        return end === bytes.length ? res.end(bytes) : cutAfter(res, bytes.subarray(0, end));
    });
    assert.deepEqual(run.resumedAfter, EVENTS.slice(1).map((_event, i) => `${EPOCH}-${i + 1}`));
});

test('ended cleanly, without complete, after every event', async () => {
    await survives((bytes, res) => res.end(bytes.subarray(0, bytes.indexOf('\n\n') + 2)));
});

test('events sent twice, and a resume that begins too early', async () => {
    const run = new FakeRun(EVENTS, undefined, (event, number) => sse(event, number) + sse(event, number));
    await withRun(run, async (client) => checkResult((await collect(client)).result));
    await survives((bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, bytes.length - 5)) : res.end(new FakeRun(EVENTS).bytes())));
});

test('an event left out is noticed and fetched', async () => {
    for (let left = 1; left < EVENTS.length; left++) {
        const hole = Buffer.from(EVENTS.map((event, i) => (i === left ? '' : sse(event, i + 1))).join(''));
        const run = await survives((bytes, res, connection) => res.end(connection === 0 ? hole : bytes));
        assert.deepEqual(run.resumedAfter, [`${EPOCH}-${left}`]);
    }
});

test('an event that never comes is an error in the end, not a result with a hole', async () => {
    const hole = Buffer.from(EVENTS.map((event, i) => (i === 2 ? '' : sse(event, i + 1))).join(''));
    const run = new FakeRun(EVENTS, (_bytes, res) => res.end(hole));
    await withRun(run, async (client) => {
        await assert.rejects(collect(client), (error: any) => error instanceof StreamLostError && error.executionId === EXECUTION && error.lastEventId === `${EPOCH}-2`);
        assert.equal(run.starts, 1);
        assert.equal(run.connections, 1 + FAST.resumeAttempts + 1);
    });
});

test('silence counts as a cut', async () => {
    const run = new FakeRun(EVENTS, (bytes, res, connection) => (connection === 0 ? res.write(bytes.subarray(0, 400)) : res.end(bytes)));
    const server = await FakeServer.start(run.answer);
    const client = new SandboxClient({ baseUrl: server.url, ...FAST, streamIdleTimeout: 100 });
    checkResult((await collect(client)).result);
    assert.equal(run.starts, 1);
    await server.stop();
});

/** A time limit can't be told from a machine that stands still for longer: what must not meet it is tried again with a greater one. */
async function withinSome(limits: number[], attempt: (limit: number) => Promise<unknown>): Promise<void> {
    for (const limit of limits) {
        try {
            await attempt(limit);
            return;
        } catch (error) {
            if (limit === limits.at(-1)) throw error;
        }
    }
}

test('comments keep a silent stream', () =>
    withinSome([1000, 4000, 16000], async (limit) => {
        const run = new FakeRun(EVENTS, (bytes, res) => {
            res.write(bytes.subarray(0, FIRST_EVENT));
            const ping = setInterval(() => res.write(': ping\n\n'), 30);
            setTimeout(() => (clearInterval(ping), res.end(bytes.subarray(FIRST_EVENT))), limit * 1.5);
        });
        const server = await FakeServer.start(run.answer);
        checkResult((await collect(new SandboxClient({ baseUrl: server.url, ...FAST, streamIdleTimeout: limit }))).result);
        assert.equal(run.connections, 1);
        await server.stop();
    }));

test('the stream is not bound by the time limit of a call', () =>
    withinSome([1000, 4000, 16000], async (limit) => {
        const run = new FakeRun(EVENTS, (bytes, res) => {
            res.write(bytes.subarray(0, 500));
            setTimeout(() => res.end(bytes.subarray(500)), limit * 1.5);
        });
        const server = await FakeServer.start(run.answer);
        checkResult((await collect(new SandboxClient({ baseUrl: server.url, ...FAST, timeout: limit }))).result);
        assert.equal(run.connections, 1);
        await server.stop();
    }));

test('the server goes away and comes back: refused, 503 with Retry-After, 502, then the rest', async () => {
    const port = reservePort();
    const run = new FakeRun(EVENTS, (bytes, res) => cutAfter(res, bytes.subarray(0, 700)));
    const first = await FakeServer.start(run.answer, port);
    const client = new SandboxClient({ baseUrl: first.url, ...FAST, resumeDelay: 20, maxResumeDelay: 50, resumeAttempts: 20 });
    const pending = collect(client);
    while (run.connections === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await first.stop();
    await new Promise((resolve) => setTimeout(resolve, 100));
    run.deliver = (bytes, res) => res.end(bytes);
    let answers = 0;
    const second = await FakeServer.start((seen, res) => {
        answers++;
        if (answers === 1) return reply(res, 503, { message: 'starting', code: 'UNAVAILABLE' }, { 'Retry-After': '0' });
        if (answers === 2) return reply(res, 502, {});
        return run.answer(seen, res);
    }, port);
    checkResult((await pending).result);
    assert.equal(run.starts, 1);
    assert.equal(second.count('POST'), 0);
    await second.stop();
});

test('a run that the server has forgotten ends the waiting at once', async () => {
    const run = new FakeRun(EVENTS, (bytes, res) => cutAfter(res, bytes.subarray(0, 700)));
    const server = await FakeServer.start((seen, res) => (seen.method === 'POST' ? run.answer(seen, res) : reply(res, 404, { message: 'Execution not found' })));
    await assert.rejects(collect(new SandboxClient({ baseUrl: server.url, ...FAST })), NotFoundError);
    assert.equal(server.count('GET'), 1);
    assert.equal(run.starts, 1);
    await server.stop();
});

test('a gap is passed on and the result is marked', async () => {
    const gap: Told = { type: 'gap', data: { after: 2, next: 9, reason: 'dropped' } };
    const rest = Buffer.from(sse(gap, 8) + EVENTS.slice(8).map((event, i) => sse(event, i + 9)).join(''));
    const run = new FakeRun(EVENTS, (bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, bytes.indexOf('id: 0badcafe-3'))) : res.end(rest)));
    await withRun(run, async (client) => {
        const { events, result } = await collect(client);
        assert.deepEqual(events.map((event) => event.type), ['start', 'stdout', 'gap', 'stdout', 'complete']);
        assert.equal(result.truncated, true);
        assert.equal(result.output.stdout, 'na\u00efve \u{1F40D}\r\nend\n');
    });
});

test('a gap in the middle of parts leaves that value out', async () => {
    const gap: Told = { type: 'gap', data: { after: 5, next: 7, reason: 'dropped' } };
    const rest = Buffer.from(sse(gap, 6) + EVENTS.slice(6).map((event, i) => sse(event, i + 7)).join(''));
    const run = new FakeRun(EVENTS, (bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, bytes.indexOf('id: 0badcafe-6'))) : res.end(rest)));
    await withRun(run, async (client) => {
        const { events } = await collect(client);
        assert.deepEqual(events.map((event) => event.type), ['start', 'stdout', 'stderr', 'plot', 'gap', 'variable', 'stdout', 'complete']);
    });
});

test('a run the server begins to tell anew is taken from its beginning', async () => {
    const epoch = 'feedf00d';
    const gap: Told = { type: 'gap', data: { after: 3, next: 1, reason: 'unknown' } };
    const anew = Buffer.from(sse(gap, 0, '\n', epoch) + EVENTS.map((event, i) => sse(event, i + 1, '\n', epoch)).join(''));
    const run = new FakeRun(EVENTS, (bytes, res, connection) => (connection === 0 ? cutAfter(res, bytes.subarray(0, 700)) : res.end(anew)));
    await withRun(run, async (client) => {
        const { result } = await collect(client);
        assert.equal(result.output.stdout, 'na\u00efve \u{1F40D}\r\nend\n');
        assert.equal(result.truncated, true);
    });
});

test('what is not the language of events is a ProtocolError and is not asked for again', async () => {
    const wrong: Record<string, string> = {
        'not JSON': 'id: 0badcafe-1\ndata: {"type":"stdout"\n\n',
        'no type': 'data: 5\n\n',
        'another run': sse(EVENTS[0]!, 1) + sse(EVENTS[1]!, 2, '\n', 'feedf00d'),
        'a part out of order': sse(EVENTS[0]!, 1) + sse(EVENTS[5]!, 2),
        'a value without its last part': sse(EVENTS[0]!, 1) + sse(EVENTS[4]!, 2) + sse(EVENTS[1]!, 3),
        'a malformed part': sse({ type: 'part', data: { type: 'plot', part: 3, parts: 2, chunk: '' } }, 1),
        'parts that make up no value': sse({ type: 'part', data: { type: 'plot', part: 0, parts: 1, chunk: '{' } }, 1),
    };
    for (const [name, text] of Object.entries(wrong)) {
        const run = new FakeRun(EVENTS, (_bytes, res) => res.end(text));
        await withRun(run, async (client, server) => {
            await assert.rejects(collect(client), ProtocolError, name);
            assert.equal(server.seen.length, 1, name);
        });
    }
    const page = await FakeServer.start((_seen, res) => (res.setHeader('Content-Type', 'text/html'), res.end('<h1>hello</h1>')));
    await assert.rejects(collect(new SandboxClient({ baseUrl: page.url, ...FAST })), ProtocolError);
    assert.equal(page.seen.length, 1);
    await page.stop();
});

test("PENNY's own events, without id and without executionId, are understood", async () => {
    const text = [
        { type: 'stdout', data: 'a' },
        { type: 'complete', data: { success: true, sessionId: 's', executionId: 'e', output: { stdout: 'a', stderr: '', plots: [], variables: {} }, metrics: {} } },
    ].map((event) => `data: ${JSON.stringify({ ...event, timestamp: '' })}\n\n`);
    const run = new FakeRun([], (_bytes, res) => res.end(text.join('')));
    await withRun(run, async (client) => assert.equal((await collect(client)).result.output.stdout, 'a'));
});
