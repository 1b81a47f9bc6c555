// Debian's Chromium, and the page as its users see it.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const { chromium } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');
const SHOTS = process.env.PENNY_SCREENSHOTS ?? fileURLToPath(new URL('../../build/screenshots', import.meta.url));
// A container's /dev/shm is often too small for the browser.
const QUIET = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const BASE = process.env.PENNY_BASE_URL ?? 'http://127.0.0.1:3003';

let browser;

export async function open({ code, base = BASE, width = 1280, height = 800, dark = false, before } = {}) {
    browser ??= await chromium.launch({ executablePath: process.env.PENNY_CHROMIUM ?? '/usr/bin/chromium', args: QUIET });
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', acceptDownloads: true });
    const page = await context.newPage();
    const seen = watch(page, base);
    if (code !== undefined) await page.addInitScript(keepCode, code);
    await before?.(page);
    await page.goto(base);
    await page.waitForSelector('.code-editor[data-ready=true]', { timeout: 60_000 });
    await status(page, /Ready|Running|Completed/);
    return { page, seen, close: () => context.close() };
}

/** Another page of the service than the editor. */
export async function visit(path) {
    browser ??= await chromium.launch({ executablePath: process.env.PENNY_CHROMIUM ?? '/usr/bin/chromium', args: QUIET });
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const seen = watch(page, BASE);
    await page.goto(BASE + path);
    return { page, seen, close: () => context.close() };
}

/** Runs in every frame; those of a program's results have no storage. */
function keepCode(text) {
    if (window === top && localStorage.getItem('penny.code') === null) localStorage.setItem('penny.code', text);
}

/** Whatever must not happen on any page. */
function watch(page, base) {
    const seen = { elsewhere: [], errors: [], refused: [] };
    const note = (request) => {
        const url = new URL(request.url());
        if (/^(https?|wss?):$/.test(url.protocol) && url.origin !== new URL(base).origin) seen.elsewhere.push(request.url());
    };
    page.on('requestfinished', note);
    // What the policy of a page forbids is reported too, although it never leaves the browser.
    page.on('requestfailed', (request) => { if (!/csp|BLOCKED_BY_CSP/i.test(request.failure()?.errorText ?? '')) note(request); });
    page.on('pageerror', (error) => seen.errors.push(error.message));
    page.on('console', (message) => {
        if (/Content Security Policy|Refused to/i.test(message.text())) seen.refused.push(message.text());
    });
    return seen;
}

export async function closeBrowser() {
    await browser?.close();
    browser = undefined;
}

export async function shot(page, name) {
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: `${SHOTS}/${name}.png` });
}

export const runButton = (page) => page.getByRole('button', { name: /^Run \(/ });
export const tab = (page, name) => page.getByRole('tab', { name: new RegExp(`^${name}`) });

export async function status(page, text, timeout = 30_000) {
    await page.locator('.session-status').filter({ hasText: text }).waitFor({ timeout });
}

/** Runs what is in the editor to its end, which is the one that is expected. */
export async function run(page, end = /Completed/) {
    await runButton(page).click();
    await status(page, / in \d/, 120_000);
    assert.match(await page.locator('.session-status').textContent(), end);
}

/** The rows of text that are in view. */
export const lines = (page) => page.locator('.log-row').allTextContents();

export async function row(page, text, timeout = 30_000) {
    await page.locator('.log-row', { hasText: text }).first().waitFor({ timeout });
}

/** Everything that the page would give as a file. */
export async function wholeOutput(page) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download the output' }).click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return Buffer.concat(chunks).toString('utf8');
}

export async function saved(page, click) {
    const [download] = await Promise.all([page.waitForEvent('download'), click()]);
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return { name: download.suggestedFilename(), content: Buffer.concat(chunks) };
}

export function clean(seen) {
    assert.deepEqual(seen.elsewhere, [], 'a request went to another host');
    assert.deepEqual(seen.errors, [], 'a script of the page failed');
}

/** Whether the server's contract has this path. */
export async function has(path) {
    const { paths } = await (await fetch(`${BASE}/openapi.json`)).json();
    return path in paths;
}

/** Another program in the editor's place. */
export async function writeCode(page, code) {
    await page.locator('.monaco-editor textarea, .monaco-editor .native-edit-context').first().focus();
    await page.keyboard.press('Control+a');
    await page.keyboard.insertText(code);
}

/** Python that waits until `letGo` is called. */
export const GATE = 'from pathlib import Path\nimport time\nwhile not Path("go").exists():\n    time.sleep(0.01)\n';

/** Past the page, so also while the page is cut off. */
export async function letGo(page, base = BASE) {
    const session = await page.evaluate(() => sessionStorage.getItem('penny.session'));
    const answer = await fetch(`${base}/api/v1/sessions/${session}/files/go`, { method: 'PUT', body: 'go' });
    assert.ok(answer.ok, `the gate was not opened: ${answer.status}`);
}

/** Asks again and again until the answer is not false. */
export async function until(ask, what, seconds = 30) {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
        const answer = await ask();
        if (answer) return answer;
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${what}: not within ${seconds} s`);
}
