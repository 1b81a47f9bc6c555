/* The package as people get it: packed, installed into an empty project, imported both ways, and PENNY's samples in it. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readmeSamples } from './readme.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
let project: string;

function run(file: string, args: string[], cwd: string): string {
    const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' });
    assert.equal(status, 0, `${file} ${args.join(' ')}\n${stdout}${stderr}`);
    return stdout;
}

before(() => {
    project = mkdtempSync(join(tmpdir(), 'penny-package-'));
    const [packed] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--silent', '--pack-destination', project], root));
    run('tar', ['xzf', packed.filename], project);
    mkdirSync(join(project, 'node_modules/@penny'), { recursive: true });
    cpSync(join(project, 'package'), join(project, 'node_modules/@penny/sandbox-client'), { recursive: true });
});
after(() => rmSync(project, { recursive: true, force: true }));

function write(name: string, text: string): string {
    writeFileSync(join(project, name), text);
    return name;
}

const NAMES = "['SandboxClient', 'createSandboxClient', 'SandboxError', 'StreamManager', 'isPlotlyPlot', 'DEFAULT_TIMEOUT']";

test('what is in it', () => {
    const meta = JSON.parse(readFileSync(join(project, 'package/package.json'), 'utf8'));
    assert.deepEqual([meta.name, meta.version, meta.license, meta.dependencies], ['@penny/sandbox-client', '1.0.0', 'MIT', undefined]);
    assert.deepEqual(readdirSync(join(project, 'package')).sort(), ['LICENSE', 'README.md', 'dist', 'package.json']);
    for (const file of readdirSync(join(project, 'package/dist/esm'))) assert.match(file, /\.(js|d\.ts)$/);
});

test('the lock file names no machine and no registry', () => {
    assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /resolved|https?:\/\/(?!.*fund)/);
});

test('import and require, of each entry', () => {
    const esm = write('a.mjs', `
        import assert from 'node:assert';
        import * as client from '@penny/sandbox-client';
        import * as types from '@penny/sandbox-client/types';
        import streaming, { StreamManager } from '@penny/sandbox-client/streaming';
        for (const name of ${NAMES}) assert.ok(client[name], name);
        assert.equal(types.SandboxError, client.SandboxError);
        assert.equal(streaming.StreamManager, StreamManager);`);
    const cjs = write('a.cjs', `
        const assert = require('node:assert');
        const client = require('@penny/sandbox-client');
        for (const name of ${NAMES}) assert.ok(client[name], name);
        assert.equal(require('@penny/sandbox-client/types').SandboxError, client.SandboxError);
        assert.ok(require('@penny/sandbox-client/streaming').ExecutionStream);`);
    run(process.execPath, [esm], project);
    run(process.execPath, [cjs], project);
});

/* As PENNY's document prints them, and what its readers then do with what they get. */
const SAMPLE = readFileSync(join(root, 'tests/penny-sample.txt'), 'utf8');
const USE = `
const text: string = result.output.stdout + stream.metrics.executionTime;
async function more() {
    const onEvent = (event: StreamEvent) => { if (event.type === 'plot') console.log(event.data.metadata.title, text); };
    for await (const event of client.stream({ code: '1' })) onEvent(event);
    const info: StoredPlot[] = (await client.session((await client.createSession()).id).listPlots()).plots;
    try { await client.execute({ code: '' }); } catch (error) { if (error instanceof SandboxError) console.log(error.statusCode, info, new StreamManager()); }
}
export default more;`;

test('the types, for every way of resolving modules', () => {
    const ts = `import type { StreamEvent, StoredPlot } from '@penny/sandbox-client';
import { SandboxError } from '@penny/sandbox-client/types';
import { StreamManager } from '@penny/sandbox-client/streaming';
${SAMPLE}${USE}`;
    const flags = ['--noEmit', '--strict', '--target', 'ES2022', '--skipLibCheck', 'false'];
    const esm = write('sample.mts', ts);
    run(process.execPath, [tsc, ...flags, '--module', 'NodeNext', esm], project);
    run(process.execPath, [tsc, ...flags, '--module', 'ESNext', '--moduleResolution', 'Bundler', esm], project);
    const node = ['--lib', 'ES2022', '--typeRoots', join(root, 'node_modules/@types'), '--types', 'node'];
    run(process.execPath, [tsc, ...flags, ...node, '--module', 'NodeNext', esm], project);
    const plain = write('sample.ts', ts);
    run(process.execPath, [tsc, ...flags, '--module', 'ESNext', '--moduleResolution', 'Node10', plain], project);
    const cts = write('sample.cts', ts.replace(/^(const result|const stream) = await/gm, '$1 = undefined as any; void').replace(USE, ''));
    run(process.execPath, [tsc, ...flags, '--module', 'NodeNext', cts], project);
});

test('the samples of README.md have the right types', () => {
    const samples = readmeSamples(root);
    assert.ok(samples.length >= 7);
    const files = samples.map(({ program }, i) => write(`readme${i}.mts`, program));
    run(process.execPath, [tsc, '--noEmit', '--strict', '--target', 'ES2022', '--module', 'NodeNext', ...files], project);
});

test('no file of the sources is longer than 300 lines', () => {
    for (const file of readdirSync(join(root, 'src'))) {
        const lines = readFileSync(join(root, 'src', file), 'utf8').split('\n').length;
        assert.ok(lines <= 300, `${file}: ${lines} lines`);
    }
});
