/* PENNY's samples against the service itself. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readmeSamples } from './readme.js';
import { baseUrl, test } from './service.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/* Runs a program with the package under its name, and with http://localhost:3003 meaning the service under test. */
function runProgram(name: string, text: string): string {
    const folder = mkdtempSync(join(tmpdir(), 'penny-sample-'));
    try {
        const target = join(folder, 'node_modules/@penny/sandbox-client');
        mkdirSync(target, { recursive: true });
        for (const part of ['package.json', 'dist']) cpSync(join(root, part), join(target, part), { recursive: true });
        writeFileSync(join(folder, 'there.cjs'), `const real = fetch; globalThis.fetch = (url, init) => real(String(url).replace('http://localhost:3003', ${JSON.stringify(baseUrl)}), init);`);
        writeFileSync(join(folder, name), text);
        const { status, stdout, stderr } = spawnSync(process.execPath, ['-r', './there.cjs', name], { cwd: folder, encoding: 'utf8', timeout: 30000 });
        assert.equal(status, 0, stderr);
        return stdout;
    } finally {
        rmSync(folder, { recursive: true, force: true });
    }
}

test("the samples of PENNY's document, as they are printed there", async () => {
    const sample = readFileSync(join(root, 'tests/penny-sample.txt'), 'utf8');
    const printed = runProgram('sample.mjs', sample);
    const text = printed.split('\n').map((line) => /^(?:stdout )?(\d)$/.exec(line)?.[1]).filter((digit) => digit !== undefined);
    assert.deepEqual(text.join(''), '0123456789', printed);
    assert.match(printed, /^complete /m);
    assert.equal(runProgram('both.mjs', `${sample}\nprocess.stdout.write(result.output.stdout + stream.output.stdout.length);`).endsWith('Hello, World!\n20'), true);
});

/* The third one of Sessions needs variables, files, checkpoints and an index of packages: features.test.ts has these. */
test('the samples of README.md', async () => {
    for (const { title, program } of readmeSamples(root)) {
        if (program.includes('installPackages')) continue;
        const printed = runProgram('readme.mjs', program);
        if (title === 'Run code') assert.equal(printed, 'Hello, World!\n\n');
        if (program.includes('input(')) assert.match(printed, /Hello Ann/);
        if (program.includes('AbortController')) assert.equal(printed, 'AbortError true\n');
        if (program.includes('session.interrupt')) assert.match(printed, /^2\n/);
    }
});
