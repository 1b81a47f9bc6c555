/* What a user of E2B's SDK writes. Environment: E2B_API_URL, E2B_SANDBOX_URL, E2B_API_KEY. */
import assert from 'node:assert/strict';
import { Sandbox } from '@e2b/code-interpreter';

const sandbox = await Sandbox.create({ timeoutMs: 120_000, metadata: { user: 'a b&c' }, envs: { COLOUR: 'blue' } });
assert.equal(await sandbox.isRunning(), true);
assert.deepEqual((await sandbox.getInfo()).metadata, { user: 'a b&c' });

const seen = { out: [], err: [], results: [], errors: [] };
const handlers = {
    onStdout: (m) => seen.out.push(m.line),
    onStderr: (m) => seen.err.push(m.line),
    onResult: (r) => seen.results.push(r.text),
    onError: (e) => seen.errors.push(e.name),
};
const run = await sandbox.runCode("import os, sys\nprint('é', os.environ['COLOUR'], os.environ['A'])\nprint('err', file=sys.stderr)\n'a text'", { envs: { A: 'b' }, ...handlers });
assert.equal(run.text, 'a text');
assert.deepEqual(seen, { out: ['é blue b\n'], err: ['err\n'], results: ['a text'], errors: [] });
assert.equal((await sandbox.runCode('1/0', handlers)).error.value, 'division by zero');
assert.deepEqual(seen.errors, ['ZeroDivisionError']);

const picture = (await sandbox.runCode('import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()')).results[0];
assert.ok(picture.png.startsWith('iVBOR'));
assert.equal(picture.chart.type, 'line');
assert.deepEqual(picture.chart.elements, [{ label: 'Line 0', points: [[0, 1], [1, 2]] }]);
const table = (await sandbox.runCode("import pandas\npandas.DataFrame({'a': [1, 2]})")).results[0];
assert.deepEqual([table.data, table.isMainResult], [{ a: [1, 2] }, true]);

const context = await sandbox.createCodeContext({ cwd: '/tmp' });
assert.equal((await sandbox.runCode('import os; x = 1; os.getcwd()', { context })).text, '/tmp');
assert.equal((await sandbox.runCode('x')).error.name, 'NameError');
assert.deepEqual((await sandbox.listCodeContexts()).map((c) => c.id), ['default', context.id]);
await sandbox.restartCodeContext(context);
assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError');
await sandbox.removeCodeContext(context);
await assert.rejects(sandbox.runCode('1', { context }), /Context not found/);
await assert.rejects(sandbox.createCodeContext({ language: 'r' }), /only python/);

await sandbox.files.write('/home/user/a.txt', 'some text');
assert.equal((await sandbox.runCode("open('a.txt').read()")).text, 'some text');
assert.equal(await sandbox.files.read('a.txt'), 'some text');


await sandbox.files.makeDir('d/e');
assert.equal(await sandbox.files.makeDir('d/e'), false);
assert.deepEqual((await sandbox.files.list('/home/user/d')).map((f) => [f.path, f.type]), [['/home/user/d/e', 'dir']]);
assert.equal((await sandbox.files.rename('a.txt', 'd/b.txt')).path, '/home/user/d/b.txt');
assert.equal(await sandbox.files.exists('a.txt'), false);
await assert.rejects(sandbox.files.watchDir('.', () => {}), /can't be watched/);
const lines = [];
const done = await sandbox.commands.run('echo out $COLOUR; echo err >&2; cat d/b.txt', { onStdout: (text) => lines.push(text) });
assert.deepEqual([done.stdout, done.stderr, done.exitCode, lines.join('')], ['out blue\nsome text', 'err\n', 0, 'out blue\nsome text']);
await assert.rejects(sandbox.commands.run('exit 3'), (e) => e.exitCode === 3);
const background = await sandbox.commands.run('sleep 100', { background: true });
assert.deepEqual((await sandbox.commands.list()).map((p) => p.pid), [background.pid]);
assert.equal(await background.kill(), true);
await sandbox.runCode('x = 7');
await assert.rejects(sandbox.runCode('while True: pass', { timeoutMs: 500 }), /Execution timed out/);
assert.equal((await sandbox.runCode('x')).text, '7');
await sandbox.pause();
const again = await Sandbox.connect(sandbox.sandboxId);
assert.equal((await again.runCode('x')).text, '7');

const listed = await Sandbox.list({ query: { metadata: { user: 'a b&c' } } }).nextItems();
assert.ok(listed.some((s) => s.sandboxId === sandbox.sandboxId));
let killed;
const onStdout = () => (killed = sandbox.kill());
await assert.rejects(sandbox.runCode("print('begun', flush=True)\nwhile True: pass", { onStdout }), /The sandbox was killed while the request was in progress/);
assert.equal(await killed, true);
assert.equal(await sandbox.isRunning(), false);
process.stdout.write('all\n', () => process.exit()); // the SDK leaves the bodies of errors unread, and node would wait for their connections
