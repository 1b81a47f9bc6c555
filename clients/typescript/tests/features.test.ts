/* Against the service itself: what a service may or may not have. */

import assert from 'node:assert/strict';
import { AbortedError, NotFoundError, SandboxError } from '@penny/sandbox-client';
import { baseUrl, feature } from './service.js';

feature('variables', '/api/v1/sessions/{id}/variables', async (session) => {
    await session.variables.set({ a: 1, b: [1, 2] });
    assert.equal((await session.execute('print(a, b)')).output.stdout, '1 [1, 2]\n');
    assert.deepEqual(Object.keys((await session.variables.list()).variables).sort(), ['a', 'b']);
    assert.equal((await session.variables.get('a')).value, 1);
    await session.execute('import pandas as pd\ndf = pd.DataFrame({"n": range(1000)})');
    const { page } = await session.variables.page('df', 500, 2);
    assert.deepEqual([page.offset, page.total, page.index, page.items], [500, 1000, [500, 501], [{ n: 500 }, { n: 501 }]]);
    assert.equal(Buffer.from(await session.variables.export('df', 'csv')).toString().trim().split('\n').length, 1001);
    await session.variables.delete('a');
    await session.variables.clear();
    assert.deepEqual((await session.variables.list()).variables, {});
});

feature('files', '/api/v1/sessions/{id}/files', async (session) => {
    const bytes = Uint8Array.from({ length: 100000 }, (_, i) => i % 251);
    assert.equal((await session.files.write('d/\u00e4 #.bin', bytes)).size, bytes.length);
    assert.deepEqual(await session.files.read('d/\u00e4 #.bin'), bytes);
    assert.deepEqual(await session.files.read('d/\u00e4 #.bin', { start: 10, end: 20 }), bytes.subarray(10, 20));
    assert.equal((await session.files.stat('d/\u00e4 #.bin')).size, bytes.length);
    const { artifacts } = await session.execute('open("out.txt", "w").write("hello")');
    assert.ok(artifacts!.some((file) => file.path.endsWith('out.txt')));
    assert.equal(await session.files.readText('out.txt'), 'hello');
    const { files } = await session.files.upload({ 'up/a.txt': 'one', 'up/b.txt': 'two' });
    assert.deepEqual(files.map((file) => [file.path, file.size, file.replaced]), [['up/a.txt', 3, false], ['up/b.txt', 3, false]]);
    assert.deepEqual((await session.files.list('up')).entries.map((entry) => entry.name).sort(), ['a.txt', 'b.txt']);
    await session.files.delete('out.txt');
    await assert.rejects(session.files.read('out.txt'), NotFoundError);
});

feature('checkpoints and rollback', '/api/v1/sessions/{id}/checkpoints', async (session) => {
    await session.execute('x = 1\ngenerator = (n for n in range(3)); next(generator)');
    const saved = await session.createCheckpoint('one');
    assert.equal(saved.name, 'one');
    await session.execute('x = 2\nlist(generator)');
    assert.deepEqual((await session.listCheckpoints()).map(({ id }) => id), [saved.id]);
    assert.deepEqual(await session.rollback(saved.id), { checkpointId: saved.id, name: 'one', restoredTo: saved.executionCount });
    assert.equal((await session.execute('print(x, list(generator))')).output.stdout, '1 [1, 2]\n');
    await session.deleteCheckpoint(saved.id);
    assert.deepEqual(await session.listCheckpoints(), []);
    await assert.rejects(session.rollback(saved.id), SandboxError);
});

feature('fork', '/api/v1/sessions/{id}/fork', async (session, client) => {
    await session.execute('x = 2');
    const copies = await session.fork(2);
    assert.equal(copies.length, 2);
    await client.session(copies[0]!).execute('x = 3');
    assert.equal((await session.execute('print(x)')).output.stdout, '2\n');
    assert.equal((await client.session(copies[0]!).execute('print(x)')).output.stdout, '3\n');
    assert.equal((await client.session(copies[1]!).execute('print(x)')).output.stdout, '2\n');
    for (const { id } of copies) await client.deleteSession(id);
});

feature('race', '/api/v1/sessions/{id}/race', async (session) => {
    await session.execute('x = 1');
    const { winner, results } = await session.race({ candidates: ['1/0', 'x = 10'] });
    assert.deepEqual([winner, results.map((each) => each.success)], [1, [false, true]]);
    assert.equal((await session.execute('print(x)')).output.stdout, '10\n');
    assert.equal((await session.race({ candidates: ['x = 20'], keep: 'none' })).winner, null);
    const told: string[] = [];
    const code = 'print("from", x)\nfor i in range(2): display({"image/png": "A" * 100000}, raw=True)\n';
    const streamed = await session.raceStream({ candidates: [`${code}1/0`, `${code}x = 30\nprint("too")`], keep: 'none', includeVariables: false }, (event) => {
        told.push(`${event.candidate} ${event.type}`);
    });
    assert.deepEqual([streamed.winner, streamed.sessionId, streamed.results.map((each) => each.status)], [null, session.id, ['error', 'ok']]);
    assert.deepEqual(streamed.results.map((each) => [each.output.stdout, each.output.results!.length]), [['from 10\n', 2], ['from 10\ntoo\n', 2]]);
    for (const i of [0, 1]) assert.deepEqual([told.filter((each) => each === `${i} result`).length, told.filter((each) => each.startsWith(`${i} `)).at(-1)], [2, `${i} complete`]);
    assert.equal((await session.raceStream({ candidates: ['x = 30'] })).winner, 0);
    const stop = new AbortController();
    const aborted = session.raceStream({ candidates: ['print(1)\nwhile True: pass'] }, () => stop.abort('enough'), { signal: stop.signal });
    await assert.rejects(aborted, AbortedError);
    assert.equal((await session.execute('print(x)')).output.stdout, '30\n');
    await session.execute('x = 10');
    assert.equal((await session.execute('print(x)')).output.stdout, '10\n');
});

feature('export and import', '/api/v1/sessions/import', async (session, client) => {
    await session.execute('x = [1]\ndef f(): return len(x)');
    const made = await client.importSession(await session.export());
    const other = client.session(made);
    try {
        assert.notEqual(made.id, session.id);
        assert.equal((await other.execute('x.append(2)\nprint(f())')).output.stdout, '2\n');
    } finally {
        await other.delete();
    }
});

feature('a session that has moved is followed', '/api/v1/admin/drain', async (session, client) => {
    await session.execute('x = 1');
    const url = `${baseUrl}/api/v1`;
    const archive = await (await fetch(`${url}/sessions/${session.id}/export?move=true`)).arrayBuffer();
    const made = await client.importSession(archive);
    const told = await fetch(`${url}/admin/sessions/${session.id}/move`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ sessionId: made.id }) });
    assert.equal(told.status, 200);
    assert.equal((await session.execute('x += 1\nprint(x)')).output.stdout, '2\n');
    assert.equal((await session.variables.get('x')).value, 2);
    let text = '';
    for await (const event of session.stream('print(x + 1)')) if (event.type === 'stdout') text += event.data;
    assert.equal(text, '3\n');
});

feature('validation', '/api/v1/validate', async (_session, client) => {
    assert.equal((await client.validateSyntax('x = (')).valid, false);
    assert.equal((await client.validateCode('if __name__ == "__main__":\n    print(1)\n')).valid, true);
    assert.equal(typeof (await client.validateSecurity('import os')).allowed, 'boolean');
});

feature('packages', '/api/v1/packages', async (session, client) => {
    assert.ok((await client.getPackages({ search: 'numpy' })).packages.some((each) => each.name === 'numpy'));
    assert.equal((await client.getPackageInfo('numpy')).name, 'numpy');
    assert.ok((await session.getPackages()).packages.length > 0);
});

feature('metrics and readiness', '/metrics', async (_session, client) => {
    assert.match(await client.getMetrics(), /^# HELP /m);
    assert.ok(await client.getReady());
});
