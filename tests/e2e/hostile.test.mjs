// What a hostile program shows does nothing in the page.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, test } from 'node:test';
import { BASE, clean, closeBrowser, open, row, run, shot, tab, wholeOutput } from './browser.mjs';

after(closeBrowser);

// Another host, which counts who comes.
const visits = [];
const lure = http.createServer((request, response) => {
    visits.push(request.url);
    response.end('caught');
});
await new Promise((resolve) => lure.listen(0, '127.0.0.1', resolve));
const LURE = `http://127.0.0.1:${lure.address().port}`;
after(() => lure.close());

const ATTACK = `
import json
from IPython.display import display, HTML, SVG
owned = "parent.owned = top.owned = window.owned = 1; fetch('${LURE}/fetch')"
tag = "<script>" + owned + "</script><img src=x onerror=\\"" + owned + "\\"><svg onload=\\"" + owned + "\\">"
print(tag)
print("\\x1b]8;;${LURE}/link\\x07click\\x1b]8;;\\x07 \\x1b]0;title\\x07 \\x1b[2J\\x1b[H\\x1b[999999B moved \\x1b[?1049h")
print("\\x9b31m c1 \\x90 dcs \\u202e right to left \\u2066 isolate")
print("a" + "\\u0301" * 2000)
print("x" * 2_000_000)
print('data: {"type":"complete","data":{"success":true}}\\n\\nevent: complete\\nid: 1-1\\ndata: {"type":"stdout","data":"FORGED"}\\n\\n')
print("\\r\\n\\r\\n: comment\\r\\nretry: 1\\r\\n\\r\\n")
display(HTML(tag + "<meta http-equiv=refresh content='0;url=${LURE}/refresh'><iframe src='${LURE}/frame'></iframe><img src='${LURE}/img'>"
    "<link rel=stylesheet href='${LURE}/css'><style>@import url('${LURE}/import'); body { background: url('${LURE}/background') }</style>"
    "<form action='${LURE}/form' id=f><input autofocus onfocus=\\"" + owned + "\\"></form><base href='${LURE}/'>"
    "<object data='${LURE}/object'></object><video src='${LURE}/video' autoplay></video><a href='javascript:" + "parent.owned=1" + "'>x</a>"))
display(SVG("<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='40' height='40' onload='parent.owned=1'>"
    "<script>parent.owned=1</script><image xlink:href='${LURE}/svgimage' width='10' height='10'/><foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='${LURE}/svgframe'/></foreignObject></svg>"))
display({"application/vnd.plotly.v1+json": {"data": [{"type": "scatter", "x": [1, 2], "y": [1, 2], "text": [tag, "<a href='javascript:parent.owned=1'>x</a>"], "mode": "text"}],
    "layout": {"title": {"text": tag}, "images": [{"source": "${LURE}/plotlyimage", "x": 0, "y": 0, "sizex": 1, "sizey": 1}], "annotations": [{"text": tag}]}}}, raw=True)
display({"image/png": "\\"><script>" + owned + "</script>", "text/plain": tag}, raw=True)
display({"text/markdown": tag, "text/latex": tag}, raw=True)
globals()[tag] = tag
__proto__ = tag
constructor = {"__proto__": tag, "toString": tag}
print("over")
raise Exception(tag)
`;

/** Two frames drawn: what scrolling brought is in the page. */
const painted = (page) => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));

/** All that is in the page has loaded, and what was asked for before has been answered. */
async function settled(page) {
    await painted(page);
    for (const frame of page.frames()) await frame.waitForLoadState('load').catch(() => undefined); // frames come and go with the rows
    await page.evaluate(() => fetch('/health'));
    await painted(page);
}

test('scripts, escapes, forged events and wild values stay what they are: data', async () => {
    const { page, seen, close } = await open({ code: ATTACK });
    await run(page, /Error|Completed/);
    await row(page, 'Exception: <script>');
    for (const name of ['Variables', 'Plots', 'Metrics', 'Output']) {
        await tab(page, name).click();
        await settled(page);
    }
    // Every row once, so that everything has been in the page.
    const log = page.locator('.log');
    const height = await log.evaluate((element) => element.scrollHeight);
    for (let top = 0; top <= height; top += 500) {
        await log.evaluate((element, y) => (element.scrollTop = y), top);
        await painted(page);
    }
    await settled(page);
    await shot(page, 'hostile');

    assert.equal(await page.evaluate(() => window.owned), undefined, 'a script of the program ran in the page');
    assert.deepEqual(visits, [], 'the program made the browser call another host');
    assert.equal(await page.title(), 'Penny Sandbox');
    assert.equal(new URL(page.url()).origin, new URL(BASE).origin);
    assert.equal(await page.locator('.log script, .log form, .log object, .log link, .log meta').count(), 0);
    for (const frame of await page.locator('iframe').all()) {
        const sandbox = await frame.getAttribute('sandbox');
        assert.ok(sandbox === '' || sandbox === 'allow-scripts', `a frame may do: ${sandbox}`);
    }
    const output = await wholeOutput(page);
    assert.ok(output.includes('<script>parent.owned'));
    assert.ok(output.includes('"data":"FORGED"'), 'what looks like an event is text');
    assert.ok(output.includes('x'.repeat(2_000_000)), 'the long line is whole');
    assert.ok(!output.includes('\x1b'));
    clean(seen);
    await close();
});

test('a frame of the page can reach neither the page nor the service', async () => {
    const code = `from IPython.display import display
display({"application/vnd.plotly.v1+json": {"data": [{"y": [1, 2]}], "layout": {}}}, raw=True)
`;
    const { page, close } = await open({ code });
    await run(page);
    await page.frameLocator('.plotly-frame').locator('.main-svg').first().waitFor({ timeout: 30_000 });
    const frame = page.frames().find((one) => one !== page.mainFrame());
    // As if the figure had found a way to run a script inside plotly.
    const reached = await frame.evaluate(async (base) => {
        const tries = {
            document: () => parent.document.title,
            storage: () => localStorage.length,
            cookie: () => document.cookie.length,
            service: async () => (await fetch(`${base}/api/v1/sessions`)).status,
            navigate: () => (top.location = 'about:blank'),
        };
        const got = {};
        for (const [name, work] of Object.entries(tries)) {
            try {
                await work();
                got[name] = 'reached';
            } catch (error) {
                got[name] = 'refused';
            }
        }
        return got;
    }, BASE);
    assert.deepEqual(reached, { document: 'refused', storage: 'refused', cookie: 'refused', service: 'refused', navigate: 'refused' });
    await close();
});
