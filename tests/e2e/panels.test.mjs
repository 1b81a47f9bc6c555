// Plots, figures, variables and metrics.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { clean, closeBrowser, has, open, row, run, saved, shot, tab, until } from './browser.mjs';

after(closeBrowser);

const TWO_PLOTS = `import matplotlib.pyplot as plt
for name in ("first", "second"):
    plt.figure(figsize=(6, 4))
    plt.plot([1, 3, 2])
    plt.title(name)
    plt.show()
`;

test('plots are zoomed, moved, turned over and saved', async () => {
    const { page, seen, close } = await open({ code: TWO_PLOTS });
    await run(page);
    await page.getByRole('button', { name: 'second: open in the plot viewer' }).click();
    const picture = page.locator('.stage img');
    assert.equal(await picture.getAttribute('alt'), 'second');
    await page.getByRole('button', { name: 'Zoom in' }).click();
    assert.match(await picture.getAttribute('style'), /scale\(1\.25\)/);
    await picture.hover();
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(() => Number(/scale\(([\d.]+)\)/.exec(document.querySelector('.stage img').style.transform)[1]) > 1.5);
    await page.mouse.down();
    await page.mouse.move(700, 300, { steps: 4 });
    await page.mouse.up();
    await until(async () => !/translate\(0px, 0px\)/.test(await picture.getAttribute('style')), 'the picture is moved');
    await page.getByRole('button', { name: /show the whole plot/ }).click();
    assert.match(await picture.getAttribute('style'), /scale\(1\)/);
    await page.getByRole('group', { name: 'Plots' }).focus();
    await page.keyboard.press('ArrowLeft');
    assert.equal(await picture.getAttribute('alt'), 'first');
    await shot(page, 'plots');
    const file = await saved(page, () => page.getByRole('button', { name: 'Save as PNG' }).click());
    assert.equal(file.name, 'first.png');
    assert.equal(file.content.subarray(1, 4).toString(), 'PNG');
    await page.getByRole('button', { name: 'Full screen' }).click();
    await page.getByRole('button', { name: 'Leave full screen' }).waitFor();
    assert.ok(await page.evaluate(() => document.fullscreenElement.classList.contains('plot-viewer')));
    await page.keyboard.press('f');
    await page.waitForFunction(() => !document.fullscreenElement);
    await page.getByRole('button', { name: 'Remove this plot' }).click();
    assert.equal(await picture.getAttribute('alt'), 'second');
    clean(seen);
    await close();
});

test('a plot as SVG is shown as a picture and saved as SVG and PNG', async () => {
    const code = '%matplotlib inline\n%config InlineBackend.figure_format = "svg"\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]); plt.title("vector"); plt.show()\n';
    const { page, seen, close } = await open({ code });
    await run(page);
    await tab(page, 'Plots').click();
    assert.match(await page.locator('.stage img').getAttribute('src'), /^data:image\/svg\+xml/);
    const svg = await saved(page, () => page.getByRole('button', { name: 'Save as SVG' }).click());
    assert.match(svg.content.toString(), /<svg/);
    const png = await saved(page, () => page.getByRole('button', { name: 'Save as PNG' }).click());
    assert.equal(png.content.subarray(1, 4).toString(), 'PNG');
    clean(seen);
    await close();
});

const FIGURE = `import plotly.graph_objects as go
figure = go.Figure(go.Scatter(x=[1, 2, 3], y=[2, 1, 3], name="one"))
figure.update_layout(title="Interactive", hovermode="x")
figure.show()
`;

test('a plotly figure is interactive, in a frame of its own', async () => {
    const { page, seen, close } = await open({ code: FIGURE });
    await run(page);
    const frame = page.frameLocator('.log .plotly-frame');
    await frame.locator('.main-svg').first().waitFor({ timeout: 30_000 });
    assert.equal(await page.locator('.log .plotly-frame').getAttribute('sandbox'), 'allow-scripts');
    await until(async () => {
        for (const x of [200, 260]) await frame.locator('.nsewdrag').first().hover({ position: { x, y: 100 } });
        return (await frame.locator('.hoverlayer .hovertext').count()) > 0;
    }, 'a point says what it is');
    await shot(page, 'plotly');
    await tab(page, 'Plots').click();
    await page.frameLocator('.plot-viewer .plotly-frame').locator('.main-svg').first().waitFor();
    const svg = await saved(page, () => page.getByRole('button', { name: 'Save as SVG' }).click());
    assert.equal(svg.name, 'Interactive.svg');
    assert.match(svg.content.toString(), /<svg/);
    const png = await saved(page, () => page.getByRole('button', { name: 'Save as PNG' }).click());
    assert.equal(png.content.subarray(1, 4).toString(), 'PNG');
    clean(seen);
    await close();
});

const VARIABLES = `import numpy as np
import pandas as pd
frame = pd.DataFrame({"number": range(500), "letter": ["abcde"[i % 5] for i in range(500)]})
array = np.arange(12).reshape(3, 4)
name, count, ratio, flag = "Penny", 7, 0.25, True
things = {"a": 1, "b": [2, 3]}
`;

test('variables are searched, sorted and looked into', async () => {
    const { page, seen, close } = await open({ code: VARIABLES });
    await run(page);
    await tab(page, 'Variables').click();
    const names = () => page.locator('.variable-table tbody .col-name').allTextContents();
    assert.deepEqual(await names(), ['array', 'count', 'flag', 'frame', 'name', 'ratio', 'things']);
    await page.getByRole('button', { name: 'Memory' }).click();
    await until(async () => (await names())[0] === 'frame', 'the largest comes first');
    await page.getByRole('searchbox', { name: 'Search variables' }).fill('penny');
    await until(async () => (await names()).join() === 'name', 'one is found');
    await page.getByRole('searchbox', { name: 'Search variables' }).fill('');
    await page.getByLabel('By type').check();
    await page.locator('.variable-table caption', { hasText: 'pandas.DataFrame' }).waitFor();
    await page.getByLabel('By type').uncheck();
    await page.getByRole('button', { name: 'frame' }).click();
    const rows = page.getByRole('region', { name: 'Rows of frame' });
    await rows.waitFor();
    assert.deepEqual(await rows.locator('thead th').allTextContents(), ['Index', 'number', 'letter']);
    await page.locator('.data-table footer', { hasText: 'of 500' }).waitFor();
    await shot(page, 'variables');
    await page.getByRole('button', { name: 'things' }).click();
    await page.locator('.variable-text', { hasText: '"b"' }).waitFor();
    clean(seen);
    await close();
});

test('a DataFrame is read page by page', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/variables/{name}'))) return context.skip('this server gives no pages');
    const { page, close } = await open({ code: VARIABLES });
    await run(page);
    await tab(page, 'Variables').click();
    await page.getByRole('button', { name: 'frame' }).click();
    await page.locator('.data-table footer', { hasText: 'Rows 1–50 of 500' }).waitFor();
    await page.getByRole('button', { name: 'Next rows' }).click();
    await page.locator('.data-table footer', { hasText: 'Rows 51–100 of 500' }).waitFor();
    assert.equal(await page.locator('.data-table tbody tr').first().locator('td').first().textContent(), '50');
    const file = await saved(page, () => page.getByRole('button', { name: 'Export as CSV' }).click());
    assert.match(file.content.toString(), /499/);
    return close();
});

test('a scalar is edited and a variable deleted', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/variables/{name}'))) return context.skip('this server sets no variables');
    const { page, close } = await open({ code: VARIABLES });
    await run(page);
    await tab(page, 'Variables').click();
    await page.getByRole('button', { name: 'count' }).click();
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByRole('textbox', { name: 'New value' }).fill('1.5');
    await page.getByRole('button', { name: 'Set' }).click();
    await page.getByRole('alert').filter({ hasText: 'whole number' }).waitFor();
    await page.getByRole('textbox', { name: 'New value' }).fill('99');
    await page.getByRole('button', { name: 'Set' }).click();
    await page.locator('.variable-table td.col-value', { hasText: /^99$/ }).waitFor();
    await page.getByRole('button', { name: 'Delete count' }).click();
    await page.getByRole('button', { name: 'count', exact: true }).waitFor({ state: 'detached' });
    return close();
});

test('metrics of each run are kept', async () => {
    const { page, close } = await open({ code: 'sum(i * i for i in range(200000))\n' });
    await run(page);
    await run(page);
    await tab(page, 'Metrics').click();
    await page.locator('.metrics-history tbody tr').nth(1).waitFor();
    await page.getByText('Run time').waitFor();
    await shot(page, 'metrics');
    await close();
});

test('a table of pandas is a table, in a frame without scripts', async () => {
    const { page, seen, close } = await open({ code: 'import pandas as pd\npd.DataFrame({"a": [1, 2], "b": ["x", "y"]})\n' });
    await run(page);
    await page.frameLocator('.html-frame').locator('td', { hasText: 'y' }).waitFor();
    assert.equal(await page.locator('.html-frame').getAttribute('sandbox'), '');
    clean(seen);
    await close();
});

test('a display is updated in place', async () => {
    const code = 'from IPython.display import display\nimport time\nh = display("step 0", display_id=True)\nfor i in range(1, 4):\n    time.sleep(0.1)\n    h.update(f"step {i}")\nprint("end")\n';
    const { page, close } = await open({ code });
    await run(page);
    await row(page, 'end');
    await page.locator('.block-text', { hasText: 'step 3' }).waitFor();
    assert.equal(await page.locator('.block-text').count(), 1);
    await close();
});
