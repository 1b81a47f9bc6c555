/* Against the service itself: what a service may or may not have. */

import assert from 'node:assert/strict';
import { NotFoundError } from '@penny/sandbox-client';
import { feature } from './service.js';

feature('variables', (session) => session.variables.list(), async (session) => {
    await session.variables.set({ a: 1, b: [1, 2] });
    assert.equal((await session.execute('print(a, b)')).output.stdout, '1 [1, 2]\n');
    assert.deepEqual(Object.keys((await session.variables.list()).variables).sort(), ['a', 'b']);
    assert.equal((await session.variables.get('a')).value, 1);
    await session.execute('import pandas as pd\ndf = pd.DataFrame({"n": range(1000)})');
    assert.ok(await session.variables.page('df', 500, 10));
    assert.equal(Buffer.from(await session.variables.export('df', 'csv')).toString().trim().split('\n').length, 1001);
    await session.variables.delete('a');
    await session.variables.clear();
    assert.deepEqual((await session.variables.list()).variables, {});
});

feature('files', (session) => session.files.list(), async (session) => {
    const bytes = Uint8Array.from({ length: 100000 }, (_, i) => i % 251);
    assert.equal((await session.files.write('d/\u00e4 #.bin', bytes)).size, bytes.length);
    assert.deepEqual(await session.files.read('d/\u00e4 #.bin'), bytes);
    assert.deepEqual(await session.files.read('d/\u00e4 #.bin', { start: 10, end: 20 }), bytes.subarray(10, 20));
    assert.equal((await session.files.stat('d/\u00e4 #.bin')).size, bytes.length);
    const { artifacts } = await session.execute('open("out.txt", "w").write("hello")');
    assert.ok(artifacts!.some((file) => file.path.endsWith('out.txt')));
    assert.equal(await session.files.readText('out.txt'), 'hello');
    await session.files.upload({ 'up/a.txt': 'one', 'up/b.txt': 'two' });
    assert.deepEqual((await session.files.list('up')).entries.map((entry) => entry.name).sort(), ['a.txt', 'b.txt']);
    await session.files.delete('out.txt');
    await assert.rejects(session.files.read('out.txt'), NotFoundError);
});

feature('checkpoints, rollback, fork and race', (session) => session.listCheckpoints(), async (session, client) => {
    await session.execute('x = 1');
    const { id } = await session.createCheckpoint('one');
    await session.execute('x = 2');
    const [copy] = await session.fork(1);
    await client.session(copy!).execute('x = 3');
    assert.equal((await session.execute('print(x)')).output.stdout, '2\n');
    assert.equal((await client.session(copy!).execute('print(x)')).output.stdout, '3\n');
    await client.deleteSession(copy!.id);
    await session.rollback(id);
    assert.equal((await session.execute('print(x)')).output.stdout, '1\n');
    const { winner, results } = await session.race({ candidates: ['1/0', 'x = 10'] });
    assert.deepEqual([winner, results.map((each) => each.success)], [1, [false, true]]);
    assert.equal((await session.execute('print(x)')).output.stdout, '10\n');
});

feature('validation', (_session, client) => client.validateSyntax('1'), async (_session, client) => {
    assert.equal((await client.validateSyntax('x = (')).valid, false);
    assert.equal((await client.validateCode('if __name__ == "__main__":\n    print(1)\n')).valid, true);
    assert.equal(typeof (await client.validateSecurity('import os')).allowed, 'boolean');
});

feature('packages and metrics', (_session, client) => client.getPackages(), async (session, client) => {
    assert.ok((await client.getPackages({ search: 'numpy' })).packages.some((each) => each.name === 'numpy'));
    assert.equal((await client.getPackageInfo('numpy')).name, 'numpy');
    assert.ok((await session.getPackages()).packages.length > 0);
    assert.match(await client.getMetrics(), /^# HELP /m);
    assert.ok(await client.getReady());
});
