/* Runs the compiled tests with node's own runner; arguments are names of test files (without .test.js). */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../build/tests');
const wanted = process.argv.slice(2);
const files = readdirSync(folder)
    .filter((name) => name.endsWith('.test.js') && (wanted.length === 0 || wanted.includes(name.slice(0, -'.test.js'.length))))
    .sort()
    .map((name) => join(folder, name));
if (files.length === 0) {
    console.error(`No test is called ${wanted.join(', ')}`);
    process.exit(2);
}
if (!process.env.PENNY_BASE_URL) console.log('PENNY_BASE_URL is not set: the tests against a real server are skipped.');
const reporter = Number(process.versions.node.split('.')[0]) >= 20 ? ['--test-reporter=spec'] : [];
const { status } = spawnSync(process.execPath, ['--test', ...reporter, ...files], { stdio: 'inherit' });
process.exit(status ?? 1);
