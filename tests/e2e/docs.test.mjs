// The contract as a page: read and tried under the page's own policy, with no other host.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { BASE, clean, closeBrowser, shot, visit } from './browser.mjs';

after(closeBrowser);

test('every operation of the contract can be read', async () => {
    const { page, seen, close } = await visit('/docs');
    const { paths } = await (await fetch(`${BASE}/openapi.json`)).json();
    const operations = Object.values(paths).flatMap((item) => Object.keys(item).filter((key) => ['get', 'put', 'post', 'delete', 'patch'].includes(key)));
    await page.locator('.opblock').nth(operations.length - 1).waitFor();
    assert.equal(await page.locator('.opblock').count(), operations.length);
    await page.locator('#operations-execute-execute .opblock-summary-control').click();
    await page.locator('#operations-execute-execute').getByText('runs in one session wait for each other').first().waitFor();
    await shot(page, 'docs');
    clean(seen);
    assert.deepEqual(seen.refused, [], 'the policy had to stop something');
    await close();
});

test('an operation can be tried', async () => {
    const { page, seen, close } = await visit('/docs#/execute/execute');
    const block = page.locator('#operations-execute-execute');
    await block.getByRole('button', { name: 'Try it out' }).click();
    await block.locator('textarea').fill('{"code": "print(6 * 7)"}');
    await block.getByRole('button', { name: 'Execute', exact: true }).click();
    await block.locator('.live-responses-table').getByText('42').first().waitFor({ timeout: 30_000 });
    clean(seen);
    await close();
});
