// Sizes, colours, the keyboard, and what has a name.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { clean, closeBrowser, open, row, run, runButton, shot, status, tab } from './browser.mjs';

after(closeBrowser);

const SHOW = 'import matplotlib.pyplot as plt\nprint("hello")\nplt.plot([1, 3, 2]); plt.show()\n';

test('the page works at the width of a phone', async () => {
    const { page, seen, close } = await open({ code: SHOW, width: 390, height: 844 });
    await run(page);
    await page.locator('.block-plot img').waitFor();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 390, `the page is ${wide} pixels wide`);
    for (const name of ['Variables', 'Plots', 'Metrics', 'Output']) await tab(page, name).click();
    const outside = await page.evaluate(() => [...document.querySelectorAll('.app button, .app select')].filter((one) => {
        const box = one.getBoundingClientRect();
        return box.width > 0 && !one.closest('.monaco-editor, .tabs-list') && (box.left < 0 || box.right > innerWidth || box.bottom > innerHeight);
    }).map((one) => one.getAttribute('aria-label') ?? one.textContent));
    assert.deepEqual(outside, [], 'these are outside the screen');
    await shot(page, 'phone');
    clean(seen);
    await close();
});

test('dark and light: as the system says, and as the reader says', async () => {
    const { page, close } = await open({ code: SHOW, dark: true });
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(await theme(), 'dark');
    await run(page);
    await page.locator('.block-plot img').waitFor();
    await shot(page, 'dark');
    await page.getByRole('button', { name: 'Light colours' }).click();
    assert.equal(await theme(), 'light');
    await page.reload();
    await status(page, /Ready|Completed/);
    assert.equal(await theme(), 'light');
    await close();
});

const axe = createRequire(new URL('../../web/package.json', import.meta.url)).resolve('axe-core/axe.min.js');

/** What axe finds wrong, a line each. Monaco is somebody else's, and has tests of its own. */
async function faults(page) {
    await page.evaluate(await readFile(axe, 'utf8'));
    const { violations } = await page.evaluate(() => window.axe.run({ exclude: [['.monaco-editor'], ['iframe']] }));
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1]?.trim()}`));
}

for (const dark of [false, true]) {
    test(`axe finds nothing wrong in any panel, ${dark ? 'dark' : 'light'}`, async () => {
        const { page, close } = await open({ code: `${SHOW}import pandas as pd\nframe = pd.DataFrame({"a": range(200)})\nopen("file.txt", "w").close()\n1 / 0\n`, dark });
        await run(page, /Error/);
        const found = {};
        for (const name of await page.getByRole('tab').allTextContents()) {
            await tab(page, name.replace(/\d+$/, '')).click();
            if (name.startsWith('Variables')) await page.getByRole('button', { name: 'frame' }).click();
            const some = await faults(page);
            if (some.length > 0) found[name] = some;
        }
        assert.deepEqual(found, {});
        await close();
    });
}

test('everything that can be used has a name', async () => {
    const { page, close } = await open({ code: SHOW });
    await run(page);
    for (const name of ['Output', 'Variables', 'Plots', 'Metrics']) {
        await tab(page, name).click();
        const nameless = await page.evaluate(() => [...document.querySelectorAll('.app button, .app input, .app select, .app iframe, .app [role=separator]')]
            .filter((one) => !one.closest('.monaco-editor') && !one.hidden)
            .filter((one) => !(one.getAttribute('aria-label') || one.title || one.textContent?.trim() || one.labels?.length))
            .map((one) => one.outerHTML.slice(0, 100)));
        assert.deepEqual(nameless, [], `without a name in ${name}`);
    }
    await close();
});

test('the page is used by the keyboard alone', async () => {
    const { page, close } = await open({ code: 'print("by keys")\n' });
    await page.locator('body').press('Tab');
    for (let i = 0; i < 12; i++) {
        if (await runButton(page).evaluate((one) => one === document.activeElement)) break;
        await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await row(page, 'by keys');
    await tab(page, 'Output').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await tab(page, 'Variables').getAttribute('aria-selected'), 'true');
    await page.keyboard.press('End');
    await page.keyboard.press('Home');
    assert.equal(await tab(page, 'Output').getAttribute('aria-selected'), 'true');
    const edge = page.getByRole('separator', { name: 'Width of the editor' });
    const before = Number(await edge.getAttribute('aria-valuenow'));
    await edge.focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(Number(await edge.getAttribute('aria-valuenow')), before + 2);
    await close();
});

test('what the server does not have is not there', async () => {
    const nothing = (page) => page.route('**/openapi.json', (route) => route.fulfill({ json: { paths: {} } }));
    const { page, close } = await open({ code: 'x = 1\n', before: nothing });
    await run(page);
    assert.deepEqual((await page.getByRole('tab').allTextContents()).map((name) => name.replace(/\d+$/, '')), ['Output', 'Variables', 'Plots', 'Metrics']);
    await tab(page, 'Variables').click();
    await page.getByRole('button', { name: 'x' }).click();
    for (const name of [/^Edit/, /^Delete/, /^Export/]) assert.equal(await page.getByRole('button', { name }).count(), 0);
    await close();
});
