// Cuts: of the wire between browser and server, and of the server itself, in the middle of a run.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BASE, closeBrowser, open, row, runButton, shot, status, wholeOutput } from './browser.mjs';
import { startServer, startWire } from './server.mjs';

after(closeBrowser);

const COUNT = 30;
const CODE = `import time
import matplotlib.pyplot as plt
for i in range(${COUNT}):
    print("tick", i)
    time.sleep(0.2)
plt.plot([1, 2]); plt.title("after"); plt.show()
`;
const ALL = `${Array.from({ length: COUNT }, (_, i) => `tick ${i}\n`).join('')}[plot 1: after]\n`;

test('a cut wire loses no line', async () => {
    const wire = await startWire(BASE);
    const { page, seen, close } = await open({ code: CODE, base: wire.url });
    await runButton(page).click();
    await row(page, 'tick 3');
    wire.cut();
    await status(page, /Reconnecting/);
    await shot(page, 'reconnecting');
    await page.waitForTimeout(1500);
    wire.mend();
    await status(page, /Completed/);
    assert.equal(await wholeOutput(page), ALL);
    assert.deepEqual(seen.errors, []);
    await close();
    await wire.stop();
});

test('a wire that is cut again and again loses no line', async () => {
    const wire = await startWire(BASE);
    const { page, close } = await open({ code: CODE, base: wire.url });
    await runButton(page).click();
    await row(page, 'tick 1');
    for (let i = 0; i < 5; i++) {
        wire.cut();
        await page.waitForTimeout(150);
        wire.mend();
        await page.waitForTimeout(500);
    }
    await status(page, /Completed/);
    assert.equal(await wholeOutput(page), ALL);
    await close();
    await wire.stop();
});

const program = process.env.PENNY_PROGRAM ?? fileURLToPath(new URL('../../build/penny-sandbox', import.meta.url));

/** Whether the sessions of a server outlive its process. */
async function outlives(server) {
    const headers = { 'Content-Type': 'application/json' };
    const { id } = await (await fetch(`${server.url}/api/v1/sessions`, { method: 'POST', headers, body: '{}' })).json();
    process.kill(server.serverPid(), 'SIGKILL');
    for (let i = 0; i < 100; i++) {
        const answer = await fetch(`${server.url}/api/v1/sessions/${id}`).catch(() => undefined);
        if (answer) return answer.ok;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return false;
}

test('a server that is killed in the middle of a run loses no line', { skip: !existsSync(program) && 'build/penny-sandbox is not there' }, async (context) => {
    const server = await startServer();
    if (!(await outlives(server))) {
        await server.stop();
        return context.skip('the sessions of this server end with its process');
    }
    const { page, close } = await open({ code: CODE, base: server.url });
    await runButton(page).click();
    await row(page, 'tick 3');
    process.kill(server.serverPid(), 'SIGKILL');
    await status(page, /Completed/, 60_000);
    assert.equal(await wholeOutput(page), ALL);
    await close();
    await server.stop();
});
