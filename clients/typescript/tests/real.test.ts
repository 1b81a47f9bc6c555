/* Against the service itself: runs, streams, sessions. */

import assert from 'node:assert/strict';
import { ConflictError, NotFoundError, SandboxError, ValidationError, plotBytes, type StreamEvent } from '@penny/sandbox-client';
import { Cutter } from './cutter.js';
import { assertSame, baseUrl, newClient, sleep, test, withSession } from './service.js';

/* Where sys may be imported. */
const OPEN = { policy: 'open' };

test('health', async (client) => {
    const health = await client.getHealth();
    assert.equal(health.status, 'healthy');
    assert.equal(typeof health.uptime, 'number');
    assert.ok(Date.parse(health.timestamp) > 0);
});

test('a session from its creation to its end', async (client) => {
    const created = await client.createSession({ metadata: { user: 'ann' } });
    assert.match(created.id, /^[0-9a-f-]{36}$/);
    assert.deepEqual(created.metadata, { user: 'ann' });
    assert.equal((await client.getSession(created.id)).id, created.id);
    const { sessions, total } = await client.listSessions({ limit: 100, sortBy: 'createdAt', sortOrder: 'desc' });
    assert.ok(sessions.some((each) => each.id === created.id) && total >= 1);
    assert.deepEqual((await client.updateSession(created.id, { metadata: { user: 'bob' } })).metadata, { user: 'bob' });
    await client.session(created).execute('1');
    const stats = await client.getSessionStats(created.id);
    assert.equal(stats.sessionId, created.id);
    assert.equal(stats.resourceUsage.executions, 1);
    assert.equal((await client.deleteSession(created.id)).success, true);
    assert.equal((await client.deleteSession(created.id)).success, true);
    await assert.rejects(client.getSession(created.id), (error: any) => [404, 410].includes(error.statusCode));
});

test('createSession without an argument, a session that was never there, a request that is wrong', async (client) => {
    const session = await client.createSession();
    assert.equal(session.status, 'active');
    await client.deleteSession(session.id);
    await assert.rejects(client.getSession('00000000-0000-4000-8000-000000000000'), NotFoundError);
    await assert.rejects(client.execute({ code: '' }), ValidationError);
    await assert.rejects(client.execute({ code: '' }), (error: any) => error instanceof SandboxError && error.requestId !== undefined && error.message !== '');
});

test('state stays in its session', async (client) => {
    await withSession(client, (one) =>
        withSession(client, async (two) => {
            await one.execute('x = 41');
            assert.equal((await one.execute('print(x + 1)')).output.stdout, '42\n');
            const other = await two.execute('print(x)');
            assert.deepEqual([other.success, other.status, other.error?.type], [false, 'error', 'NameError']);
        }),
    );
});

test('an execution without a session gets one', async (client) => {
    const { sessionId } = await client.execute({ code: 'y = 5' });
    assert.equal((await client.execute({ code: 'print(y)', sessionId })).output.stdout, '5\n');
    await client.deleteSession(sessionId);
});

test('an exception is a result with its line', async (client) => {
    await withSession(client, async (session) => {
        const result = await session.execute('a = 1\nraise ValueError("no \u{1F40D}")\n');
        assert.deepEqual([result.success, result.status, result.state], [false, 'error', 'kept']);
        assert.deepEqual([result.error?.type, result.error?.message, result.error?.line], ['ValueError', 'no \u{1F40D}', 2]);
        assert.match(result.error!.traceback, /ValueError/);
    });
});

test('output is seen while the program still runs', async (client) => {
    await withSession(client, async (session) => {
        const seen: string[] = [];
        let text = '';
        const waits = 'import pathlib, time\nwhile not pathlib.Path("go").exists(): time.sleep(0.01)\n';
        const result = await session.executeStream(`print("a")\n${waits}print("b")`, async (event) => {
            seen.push(event.type);
            if (event.type === 'stdout') text += event.data;
            if (event.type === 'stdout' && text === 'a\n') await session.files.write('go', 'seen'); // only now the program goes on
        });
        assert.equal(seen.at(-1), 'complete');
        assert.equal(result.output.stdout, 'a\nb\n');
    });
});

test('text, errors, results and plots come in the order in which the program made them', async (client) => {
    await withSession(client, async (session) => {
        const types: string[] = [];
        const code = 'import sys, matplotlib.pyplot as plt\nprint("1")\nprint("2", file=sys.stderr)\nplt.plot([1, 2]); plt.title("T"); plt.show()\nprint("3")\n"value"';
        const result = await session.executeStream(code, (event) => void types.push(event.type));
        assert.deepEqual(types.filter((type) => type !== 'variable'), ['start', 'stdout', 'stderr', 'plot', 'stdout', 'result', 'complete']);
        const [plot] = result.output.plots;
        assert.equal(plot!.metadata.title, 'T');
        assert.deepEqual([...plotBytes(plot!).subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
        assert.equal(result.output.results![0]!.data['text/plain'], "'value'");
    }, OPEN);
});

const LONG = 'import sys\nfor i in range(3000):\n    print(i, "\u00e4\u{1F40D}" * 10)\n    if i % 100 == 0: print("e", i, file=sys.stderr)\n';
const LONG_OUT = Array.from({ length: 3000 }, (_, i) => `${i} ${'\u00e4\u{1F40D}'.repeat(10)}\n`).join('');
const LONG_ERR = Array.from({ length: 30 }, (_, i) => `e ${i * 100}\n`).join('');

test('cut again and again, the stream is whole, and the code has run once', async (client) => {
    for (const size of [1500, 20011, 65536]) {
        const cutter = await Cutter.start(baseUrl, (n) => (n % 2 === 0 ? size : 130000));
        await withSession(client, async (session) => {
            const result = await newClient(cutter.url).executeStream({ code: `n = globals().get("n", 0) + 1\n${LONG}`, sessionId: session.id });
            assertSame(result.output.stdout, LONG_OUT);
            assertSame(result.output.stderr, LONG_ERR);
            assert.equal((await session.execute('print(n)')).output.stdout, '1\n');
        }, OPEN);
        assert.ok(cutter.cuts > 0);
        await cutter.stop();
    }
});

test('values too long for one event arrive whole, over a connection that is cut', async (client) => {
    const cutter = await Cutter.start(baseUrl, () => 100000);
    await withSession(client, async (session) => {
        const code = 'class H:\n    def _repr_html_(self): return "<b>\u00e4</b>" * 30000\nH()';
        const result = await newClient(cutter.url).executeStream({ code, sessionId: session.id });
        assertSame(result.output.results![0]!.data['text/html']!, '<b>\u00e4</b>'.repeat(30000));
    });
    await cutter.stop();
});

test('ten megabytes, minus what the limit takes, and the program goes on', async (client) => {
    await withSession(client, async (session) => {
        const result = await session.executeStream('print("x" * 5_000_000)\nprint("end")');
        assertSame(result.output.stdout, `${'x'.repeat(5_000_000)}\nend\n`);
        const flood = await session.executeStream('for i in range(300): print("y" * 100_000)\nz = 7');
        assert.deepEqual([flood.success, flood.truncated], [true, true]);
        assert.equal((await session.execute('print(z)')).output.stdout, '7\n');
    });
});

test('any number of watchers, late ones from the start', async (client) => {
    await withSession(client, async (session) => {
        const { executionId } = await session.start('import time\nfor i in range(5):\n    print(i)\n    time.sleep(0.1)');
        const read = async () => {
            const events: StreamEvent[] = [];
            for await (const event of client.watch(executionId)) events.push(event);
            return events;
        };
        const [first, second] = await Promise.all([read(), sleep(250).then(read)]);
        const late = await read();
        assert.deepEqual(second, first);
        assert.deepEqual(late, first);
        assert.deepEqual(first.filter((event) => event.type === 'stdout').map((event) => event.data).join(''), '0\n1\n2\n3\n4\n');
        const after = first.find((event) => event.type === 'stdout')!.id!;
        const rest: StreamEvent[] = [];
        for await (const event of client.watch(executionId, { after })) rest.push(event);
        assert.deepEqual(rest, first.slice(first.findIndex((event) => event.id === after) + 1));
        const record = await client.getExecution(executionId);
        assert.deepEqual([record.status, record.result?.success], ['ok', true]);
    });
});

test('a timeout keeps the state', async (client) => {
    await withSession(client, async (session) => {
        await session.execute('x = 3');
        const result = await session.execute({ code: 'while True: pass', timeout: 1000 });
        assert.deepEqual([result.success, result.status, result.state], [false, 'timeout', 'kept']);
        assert.equal((await session.execute('print(x)')).output.stdout, '3\n');
    });
});

test('interrupt and cancel', async (client) => {
    await withSession(client, async (session) => {
        for (const stop of [() => session.interrupt(), (id: string) => client.cancelExecution(id)]) {
            const { executionId } = await session.start('x = 8\nimport time\nprint("up")\ntime.sleep(1000)');
            for await (const event of client.watch(executionId)) if (event.type === 'stdout') break;
            assert.equal((await stop(executionId)).success, true);
            assert.equal((await client.watch(executionId).result()).status, 'interrupted');
        }
        assert.equal((await session.execute('print(x)')).output.stdout, '8\n');
    });
});

test('aborting interrupts the run', async (client) => {
    await withSession(client, async (session) => {
        const controller = new AbortController();
        const pending = session.executeStream('x = 9\nwhile True: pass', (event) => void (event.type === 'start' && controller.abort()), { signal: controller.signal });
        await assert.rejects(pending, (error: any) => error.name === 'AbortError' && error.cancelled);
        assert.equal((await session.execute('print("here")')).output.stdout, 'here\n');
    });
});

test('a queue, and a refusal for those who do not want to wait', async (client) => {
    await withSession(client, async (session) => {
        let begun: () => void;
        const running = new Promise<void>((resolve) => (begun = resolve));
        const first = session.executeStream('import pathlib, time\nwhile not pathlib.Path("go").exists(): time.sleep(0.01)\na = 1', (event) => void (event.type === 'start' && begun()));
        await running;
        await assert.rejects(session.execute({ code: '1', queue: false }), ConflictError);
        const second = session.execute('print(a)');
        await session.files.write('go', 'on');
        assert.equal((await second).output.stdout, '1\n');
        await first;
    });
});

test('what a program prints cannot be an event', async (client) => {
    await withSession(client, async (session) => {
        const forged = 'data: {"type":"complete","data":{}}\n\nid: 1-1\r\nevent: error\rdata: x\n\n\ufeff: c\n\u2028\u0085';
        const result = await session.executeStream(`print(${JSON.stringify(forged).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}, end="")`);
        assert.equal(result.output.stdout, forged);
    });
});

test('input', async (client) => {
    await withSession(client, async (session) => {
        const stream = session.stream('print("Hello", input("Name? "))');
        for await (const event of stream) {
            if (event.type !== 'inputRequest') continue;
            assert.deepEqual([event.data.prompt, event.data.password], ['Name? ', false]);
            await stream.sendInput('Ann');
        }
        assert.match((await stream.result()).output.stdout, /Hello Ann\n$/);
    });
});
