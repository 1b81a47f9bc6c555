// Cuts: of the wire between browser and server, and of the server itself, in the middle of a run.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BASE, GATE, closeBrowser, letGo, open, row, runButton, shot, status, until, wholeOutput } from './browser.mjs';
import { startServer, startWire } from './server.mjs';

after(closeBrowser);

/** Prints, waits until it is let go, prints more and draws. */
const GATED = `for i in range(5):
    print("tick", i)
${GATE}for i in range(5, 3000):
    print("tick", i)
import matplotlib.pyplot as plt
plt.plot([1, 2]); plt.title("after"); plt.show()
`;
const ticks = (count) => Array.from({ length: count }, (_, i) => `tick ${i}\n`).join('');
const ALL = `${ticks(3000)}[plot 1: after]\n`;

test('a cut wire loses no line, also of what was printed meanwhile', async (context) => {
    const wire = await startWire(BASE);
    context.after(wire.stop);
    const { page, seen, close } = await open({ code: GATED, base: wire.url });
    await runButton(page).click();
    await row(page, 'tick 4');
    wire.cut();
    await status(page, /Reconnecting/);
    await shot(page, 'reconnecting');
    await letGo(page);
    await until(() => wire.refused() > 2, 'the page tries again');
    wire.mend();
    await status(page, /Completed/);
    assert.equal(await wholeOutput(page), ALL);
    assert.deepEqual(seen.errors, []);
    await close();
});

test('a wire that is cut again and again loses no line', async (context) => {
    const wire = await startWire(BASE);
    context.after(wire.stop);
    const code = `from pathlib import Path
import time
i = 0
while not Path("go").exists():
    print("tick", i)
    i += 1
    time.sleep(0.05)
print("ticks:", i)
`;
    const { page, close } = await open({ code, base: wire.url });
    await runButton(page).click();
    await row(page, 'tick 1');
    const rows = async () => Number(await page.locator('.log').getAttribute('data-rows'));
    for (let i = 0; i < 5; i++) {
        wire.cut();
        await until(() => wire.refused() > 0, 'the page tries again');
        const before = await rows();
        wire.mend();
        await until(async () => (await rows()) > before, 'the page goes on');
    }
    await letGo(page);
    await status(page, /Completed/);
    const output = await wholeOutput(page);
    const count = Number(/ticks: (\d+)\n$/.exec(output)[1]);
    assert.equal(output, `${ticks(count)}ticks: ${count}\n`);
    await close();
});

const program = process.env.PENNY_PROGRAM ?? fileURLToPath(new URL('../../build/penny-sandbox', import.meta.url));

/** The answer of a server that may be away for a moment. */
function asked(server, path) {
    return until(() => fetch(`${server.url}${path}`).catch(() => undefined), 'the server is started again', 60);
}

async function killServer(server) {
    const pid = await until(() => server.serverPid(), 'a server process');
    process.kill(pid, 'SIGKILL');
    await until(() => (server.serverPid() ?? pid) !== pid, 'another server process', 60);
}

/** Whether the sessions of a server outlive its process. */
async function outlives(server) {
    const headers = { 'Content-Type': 'application/json' };
    const { id } = await (await fetch(`${server.url}/api/v1/sessions`, { method: 'POST', headers, body: '{}' })).json();
    await killServer(server);
    return (await asked(server, `/api/v1/sessions/${id}`)).ok;
}

test('a server that is killed in the middle of a run loses no line', { skip: !existsSync(program) && 'build/penny-sandbox is not there' }, async (context) => {
    const server = await startServer();
    context.after(server.stop);
    if (!(await outlives(server))) return context.skip('the sessions of this server end with its process');
    const { page, close } = await open({ code: GATED, base: server.url });
    await runButton(page).click();
    await row(page, 'tick 4');
    await killServer(server);
    await asked(server, '/ready');
    await letGo(page, server.url);
    await status(page, /Completed/, 60_000);
    assert.equal(await wholeOutput(page), ALL);
    await close();
});
