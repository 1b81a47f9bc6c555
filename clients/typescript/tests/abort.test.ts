/* Leaving a run early, and talking to it while it goes on. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AbortedError, ExecutionStream, SandboxClient, StreamFailedError, type StreamEvent } from '@penny/sandbox-client';
import { EXECUTION, FakeRun, FakeServer, SESSION, complete, reply, sse, type Told } from './fake.js';

const EVENTS: Told[] = [
    { type: 'start', data: {} },
    { type: 'stdout', data: 'one\n' },
    { type: 'stdout', data: 'two\n' },
    complete({ stdout: 'one\ntwo\n' }),
];

/** A run that says its first events and then nothing. */
function hanging(events: number): FakeRun {
    return new FakeRun(EVENTS, (bytes, res) => {
        const first = EVENTS.slice(0, events).map((event, i) => sse(event, i + 1)).join('');
        res.write(bytes.subarray(0, Buffer.byteLength(first)));
    });
}

async function withRun(run: FakeRun, use: (client: SandboxClient, server: FakeServer) => Promise<void>): Promise<void> {
    const server = await FakeServer.start(run.answer);
    try {
        await use(new SandboxClient({ baseUrl: server.url, retryDelay: 1, resumeDelay: 1 }), server);
    } finally {
        await server.stop();
    }
}

test('an aborted run is cancelled, once, and the error says so', async () => {
    const run = hanging(2);
    await withRun(run, async (client, server) => {
        const controller = new AbortController();
        const seen: StreamEvent[] = [];
        const pending = client.executeStream(
            { code: 'x' },
            (event) => {
                seen.push(event);
                if (event.type === 'stdout') controller.abort(new Error('enough'));
            },
            { signal: controller.signal },
        );
        await assert.rejects(pending, (error: any) => {
            assert.ok(error instanceof AbortedError);
            assert.equal(error.name, 'AbortError');
            assert.equal(error.message, 'enough');
            assert.equal(error.executionId, EXECUTION);
            return error.cancelled;
        });
        assert.deepEqual(seen.map((event) => event.type), ['start', 'stdout']);
        assert.deepEqual(server.seen.map((each) => `${each.method} ${each.url}`), ['POST /api/v1/execute/stream', `DELETE /api/v1/executions/${EXECUTION}`]);
        assert.equal(run.starts, 1);
    });
});

test('aborted with detach, the run is left alone', async () => {
    const run = hanging(2);
    await withRun(run, async (client, server) => {
        const controller = new AbortController();
        const stream = client.stream({ code: 'x' }, { signal: controller.signal, onAbort: 'detach' });
        await stream.next();
        setTimeout(() => controller.abort(), 20);
        await assert.rejects(stream.result(), (error: any) => error instanceof AbortedError && !error.cancelled && error.executionId === EXECUTION);
        assert.equal(server.seen.length, 1);
    });
});

test('aborted before the run has a name: the stream waits for the name and then cancels', async () => {
    const controller = new AbortController();
    const run = new FakeRun(EVENTS, (bytes, res) => {
        setTimeout(() => controller.abort(), 30);
        setTimeout(() => res.write(bytes.subarray(0, 300)), 150);
    });
    await withRun(run, async (client, server) => {
        await assert.rejects(client.executeStream({ code: 'x' }, () => {}, { signal: controller.signal }), (error: any) => error.cancelled);
        assert.equal(server.count('DELETE'), 1);
    });
});

test('aborted beforehand, nothing is sent', async () => {
    const run = hanging(1);
    await withRun(run, async (client, server) => {
        await assert.rejects(client.executeStream({ code: 'x' }, () => {}, { signal: AbortSignal.abort() }), AbortedError);
        assert.equal(server.seen.length, 0);
    });
});

test('a cancel that the service does not take is told', async () => {
    const run = hanging(1);
    const server = await FakeServer.start((seen, res) => (seen.method === 'DELETE' ? reply(res, 404, { message: 'no' }) : run.answer(seen, res)));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const client = new SandboxClient({ baseUrl: server.url });
    await assert.rejects(client.executeStream({ code: 'x' }, undefined, { signal: controller.signal }), (error: any) => error instanceof AbortedError && !error.cancelled);
    await server.stop();
});

test('leaving the loop cancels, or not, as asked; watching never does unless asked', async () => {
    for (const [onAbort, cancels] of [[undefined, 1], ['detach', 0]] as const) {
        const run = hanging(3);
        await withRun(run, async (client) => {
            for await (const event of client.stream({ code: 'x' }, onAbort ? { onAbort } : {})) if (event.type === 'stdout') break;
            assert.equal(run.cancels, cancels);
        });
    }
    const run = hanging(3);
    await withRun(run, async (client) => {
        for await (const event of client.watch(EXECUTION)) if (event.type === 'stdout') break;
        assert.deepEqual([run.cancels, run.starts], [0, 0]);
    });
});

test('leaving the loop at the end cancels nothing', async () => {
    const run = new FakeRun(EVENTS);
    await withRun(run, async (client) => {
        for await (const event of client.stream({ code: 'x' })) if (event.type === 'complete') break;
        assert.equal(run.cancels, 0);
    });
});

test('an exception in onEvent is what the promise rejects with', async () => {
    const run = hanging(2);
    await withRun(run, async (client) => {
        const fault = new Error('mine');
        await assert.rejects(
            client.executeStream({ code: 'x' }, () => {
                throw fault;
            }),
            (error) => error === fault,
        );
        assert.equal(run.cancels, 1);
    });
});

test('an onEvent that takes its time gets one event after the other', async () => {
    await withRun(new FakeRun(EVENTS), async (client) => {
        let inside = 0;
        const types: string[] = [];
        await client.executeStream({ code: 'x' }, async (event) => {
            assert.equal(++inside, 1);
            await new Promise((resolve) => setTimeout(resolve, 5));
            types.push(event.type);
            inside--;
        });
        assert.deepEqual(types, ['start', 'stdout', 'stdout', 'complete']);
    });
});

test('an error event is given to onEvent and rejects the promise', async () => {
    const events: Told[] = [{ type: 'start', data: {} }, { type: 'error', data: { error: 'Internal', message: 'no memory' } }];
    await withRun(new FakeRun(events), async (client, server) => {
        const types: string[] = [];
        await assert.rejects(
            client.executeStream({ code: 'x' }, (event) => void types.push(event.type)),
            (error: any) => error instanceof StreamFailedError && error.message === 'no memory' && error.executionId === EXECUTION,
        );
        assert.deepEqual(types, ['start', 'error']);
        assert.equal(server.seen.length, 1);
    });
});

test('watch begins behind the event that is named', async () => {
    const run = new FakeRun(EVENTS);
    await withRun(run, async (client) => {
        const texts: string[] = [];
        for await (const event of client.watch(EXECUTION, { after: '0badcafe-2' })) if (event.type === 'stdout') texts.push(event.data);
        assert.deepEqual(texts, ['two\n']);
        assert.deepEqual((await client.watch(EXECUTION, { after: '3' }).result()).output.stdout, 'one\ntwo\n', 'as complete tells it');
        assert.deepEqual(run.resumedAfter, ['0badcafe-2', '3']);
    });
});

test('input and cancel through the stream', async () => {
    const events: Told[] = [{ type: 'start', data: {} }, { type: 'inputRequest', data: { prompt: 'name? ', password: false } }, complete()];
    const run = new FakeRun(events);
    const server = await FakeServer.start((seen, res) => (seen.url.endsWith('/input') ? reply(res, 202, { success: true }) : run.answer(seen, res)));
    const stream = new SandboxClient({ baseUrl: server.url }).stream({ code: 'x' });
    await assert.rejects(stream.sendInput('early'));
    for await (const event of stream) if (event.type === 'inputRequest') assert.deepEqual(await stream.sendInput('Ann'), { success: true });
    assert.deepEqual(await stream.cancel(), { success: true });
    assert.deepEqual([stream.executionId, stream.sessionId], [EXECUTION, SESSION]);
    const inputs = server.seen.filter((each) => each.url === `/api/v1/executions/${EXECUTION}/input`);
    assert.deepEqual(inputs.map((each) => each.json), [{ text: 'Ann' }]);
    await server.stop();
});

test('the abort of PENNY\'s ExecutionStream reaches the run', async () => {
    const run = hanging(2);
    await withRun(run, async (client) => {
        const stream = new ExecutionStream();
        stream.onStdout(() => stream.abort());
        await assert.rejects(stream.start((onEvent, signal) => client.executeStream({ code: 'x' }, onEvent, { signal })), AbortedError);
        assert.equal(stream.isRunning(), false);
        assert.equal(stream.getOutput(), 'one\n');
        assert.equal(run.cancels, 1);
    });
});
