// The page from the first look to the last key.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BASE, GATE, clean, closeBrowser, letGo, lines, open, row, run, runButton, saved, shot, status, tab, wholeOutput } from './browser.mjs';

after(closeBrowser);

test('the page opens with an example, and the first click on Run shows output and a plot', async () => {
    const { page, seen, close } = await open();
    await runButton(page).click();
    await row(page, 'month 1');
    await page.locator('.block-plot img').waitFor();
    await status(page, /Completed/);
    await page.frameLocator('.html-frame').locator('td').first().waitFor();
    await page.locator('.meter polyline').first().waitFor();
    await page.mouse.move(640, 780);
    await shot(page, 'first-run');
    assert.match(await wholeOutput(page), /month 6: +\d+\.\d a day/);
    clean(seen);
    assert.deepEqual(seen.refused, []);
    await close();
});

test('a program is typed and run by the keyboard', async () => {
    const { page, seen, close } = await open({ code: '' });
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.type('total = sum(range(10))\nprint("the sum is", total)\n', { delay: 8 });
    await page.keyboard.press('Control+Enter');
    await row(page, 'the sum is 45');
    await status(page, /Completed/);
    await page.keyboard.type('tot');
    await page.locator('.suggest-widget .monaco-list-row', { hasText: 'total' }).waitFor();
    await shot(page, 'completion');
    clean(seen);
    await close();
});

test('lines are shown while the program still runs', async () => {
    const { page, close } = await open({ code: `print("before")\n${GATE}print("after")\n` });
    await runButton(page).click();
    await row(page, 'before');
    await status(page, /Running/);
    assert.deepEqual(await lines(page), ['before']);
    await letGo(page);
    await row(page, 'after');
    await status(page, /Completed/);
    await close();
});

test('a selection runs in the session, with the line numbers of the editor', async () => {
    const { page, close } = await open({ code: 'a = 20\nif True:\n    b = a + 1\n    print(b * 2)\nboom()\n' });
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+Home');
    await page.keyboard.press('Control+Shift+Enter');
    await status(page, /Completed/);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Shift+ArrowDown');
    await page.keyboard.press('Control+Shift+Enter');
    await row(page, '42');
    await status(page, /Completed/); // while one runs, no other begins
    await page.keyboard.press('Control+End');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Control+Shift+Enter');
    await status(page, /Error/);
    assert.match(await wholeOutput(page), /line 5/);
    await close();
});

test('an error is shown with its line marked, until the code is changed', async () => {
    const { page, close } = await open({ code: 'x = 1\n\ndef f(v):\n    return v / 0\n\nf(x)\n' });
    await run(page, /Error/);
    await row(page, 'ZeroDivisionError');
    await page.locator('.line-error').first().waitFor();
    assert.equal(await page.locator('.squiggly-error').count(), 1);
    await shot(page, 'error');
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.type('#');
    await page.locator('.line-error').first().waitFor({ state: 'detached' });
    await close();
});

test('a run is interrupted and its variables are kept', async () => {
    const { page, close } = await open({ code: 'kept = 41\nprint("begun")\nwhile True:\n    pass\n' });
    await runButton(page).click();
    await row(page, 'begun');
    await page.getByRole('button', { name: /^Interrupt/ }).click();
    await status(page, /Interrupted/);
    await row(page, 'KeyboardInterrupt');
    await tab(page, 'Variables').click();
    await page.getByRole('button', { name: 'kept' }).waitFor();
    await close();
});

test('input() is answered below the output', async () => {
    const { page, close } = await open({ code: 'name = input("Name? ")\ncount = int(input())\nprint("Hello", name, count + 1)\n' });
    await runButton(page).click();
    const name = page.getByRole('textbox', { name: 'Name?' });
    await name.waitFor();
    await status(page, /Waiting for input/);
    assert.ok(await name.evaluate((element) => element === document.activeElement), 'the line is not focused');
    await name.fill('Ann');
    await shot(page, 'input');
    await name.press('Enter');
    const count = page.getByRole('textbox', { name: 'The program waits for a line' });
    await count.fill('41');
    await count.press('Enter');
    await row(page, 'Hello Ann 42');
    assert.match(await wholeOutput(page), /Name\? Ann\n/);
    await status(page, /Completed/);
    await close();
});

test('a million lines stay smooth and can be searched', async () => {
    const { page, close } = await open({ code: 'for n in range(1_000_000):\n    print(n)\n' });
    await run(page);
    const log = page.locator('.log');
    assert.ok(Number(await log.getAttribute('data-rows')) >= 1_000_000);
    assert.ok((await page.locator('.log-row').count()) < 200, 'all rows are in the page');
    const steps = await log.evaluate(async (element) => {
        const took = [];
        for (let i = 0; i < 30; i++) {
            const begin = performance.now();
            element.scrollTop = (element.scrollHeight / 30) * i;
            await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
            took.push(performance.now() - begin);
        }
        return took.sort((a, b) => a - b);
    });
    assert.ok(steps[14] < 1000, `half of the steps of scrolling took longer than ${steps[14]} ms`); // the machine may stand still in some
    await log.evaluate((element) => (element.scrollTop = element.scrollHeight));
    await row(page, '999999');
    await page.getByRole('button', { name: 'Search the output' }).click();
    await page.getByRole('searchbox', { name: 'Search the output' }).fill('654321');
    await page.locator('.log-current mark', { hasText: '654321' }).waitFor();
    await shot(page, 'million');
    await close();
});

test('a reload in the middle of a run loses nothing', async () => {
    const { page, close } = await open({ code: `print("before")\n${GATE}print("after")\n` });
    await runButton(page).click();
    await row(page, 'before');
    await page.reload();
    await row(page, 'before');
    await status(page, /Running/);
    await letGo(page);
    await status(page, /Completed/);
    assert.equal(await wholeOutput(page), 'before\nafter\n');
    await close();
});

test('the session is restarted, replaced and ended', async () => {
    const { page, close } = await open({ code: 'x = 1\nprint("x" in globals())\n' });
    await run(page);
    const id = await page.locator('.session-id').textContent();
    await page.getByRole('button', { name: /^Restart/ }).click();
    await row(page, 'restarted');
    assert.equal(await page.locator('.session-id').textContent(), id);
    await page.getByRole('button', { name: /^New session/ }).click();
    await status(page, /Ready/);
    assert.notEqual(await page.locator('.session-id').textContent(), id);
    await page.getByRole('button', { name: 'End the session' }).click();
    await status(page, /No session/);
    await run(page);
    assert.deepEqual(await lines(page), ['True']);
    await close();
});

test('a session that ended elsewhere is replaced by the next run', async () => {
    const { page, close } = await open({ code: 'print("again")\n' });
    const id = await page.evaluate(() => sessionStorage.getItem('penny.session'));
    await page.evaluate((path) => fetch(path, { method: 'DELETE' }), `/api/v1/sessions/${id}`);
    await run(page);
    await row(page, 'again');
    assert.notEqual(await page.evaluate(() => sessionStorage.getItem('penny.session')), id);
    await close();
});

test('the output is cleared, copied and saved; the code is saved', async () => {
    const { page, close } = await open({ code: 'print("\\x1b[31mred\\x1b[0m text")\n' });
    await run(page);
    assert.equal(await page.locator('.log-row span').first().evaluate((element) => getComputedStyle(element).color), 'rgb(179, 38, 30)');
    assert.equal(await wholeOutput(page), 'red text\n');
    const file = await saved(page, () => page.getByRole('button', { name: /^Save the code/ }).click());
    assert.equal(file.name, 'program.py');
    await page.getByRole('button', { name: 'Clear the output' }).click();
    await page.locator('.empty').first().waitFor();
    await close();
});

test('the page comes compressed, with a tag, under a strict policy, and its assets for ever', async () => {
    const head = async (path, headers = {}) => (await fetch(BASE + path, { method: 'HEAD', headers: { Accept: 'text/html', ...headers } })).headers;
    const page = await head('/', { 'Accept-Encoding': 'gzip' });
    assert.equal(page.get('content-encoding'), 'gzip');
    assert.equal(page.get('cache-control'), 'no-cache');
    const policy = page.get('content-security-policy');
    assert.match(policy, /default-src 'none'/);
    assert.match(policy, /script-src 'self'(;|$)/);
    const again = await fetch(`${BASE}/`, { headers: { Accept: 'text/html', 'Accept-Encoding': 'gzip', 'If-None-Match': page.get('etag') } });
    assert.equal(again.status, 304);
    const html = await (await fetch(`${BASE}/`, { headers: { Accept: 'text/html' } })).text();
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)[^>]*>|\son\w+=|<style/i, 'a script or style inside the page');
    const assets = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => path);
    assert.ok(assets.length >= 2);
    for (const path of assets) {
        const asset = await head(path, { 'Accept-Encoding': 'gzip' });
        assert.equal(asset.get('content-encoding'), 'gzip', path);
        assert.match(asset.get('cache-control'), /max-age=31536000, immutable/, path);
        assert.ok(asset.get('etag'), path);
        assert.equal((await head(path, { 'Accept-Encoding': 'identity' })).get('content-encoding'), null);
    }
});
