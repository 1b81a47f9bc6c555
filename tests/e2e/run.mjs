// Runs the browser's tests: node run.mjs [name...]. PENNY_BASE_URL: a server that runs already; without it build/penny-sandbox is started.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startServer } from './server.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const files = readdirSync(here).filter((name) => name.endsWith('.test.mjs') && (wanted.length === 0 || wanted.some((one) => name.startsWith(one))));

const server = process.env.PENNY_BASE_URL ? undefined : await startServer();
const env = { ...process.env, PENNY_BASE_URL: process.env.PENNY_BASE_URL ?? server.url };
const tests = spawn(process.execPath, ['--test', ...files.map((name) => here + name)], { stdio: 'inherit', env });
tests.on('exit', async (code) => {
    await server?.stop();
    process.exit(code ?? 1);
});
