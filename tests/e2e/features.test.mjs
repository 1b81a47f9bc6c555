// What the service has beyond running code: files, saved states, copies, packages.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { clean, closeBrowser, has, open, row, run, saved, shot, tab, wholeOutput, writeCode } from './browser.mjs';

after(closeBrowser);

const entry = (page, name) => page.locator('.file-list').getByRole('button', { name, exact: true });

test('a file is uploaded, read by a program, written by it, downloaded and deleted', async () => {
    const code = 'text = open("notes.txt").read()\nopen("data/loud.txt", "w").write(text.upper())\nprint(len(text))\n';
    const { page, seen, close } = await open({ code: `from pathlib import Path; Path("data").mkdir()\n${code}` });
    await tab(page, 'Files').click();
    const chooser = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Upload files' }).click();
    await (await chooser).setFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('häuser\n') });
    await entry(page, 'notes.txt').waitFor();
    await run(page);
    await row(page, '7');
    await tab(page, 'Files').click();
    await entry(page, 'data').click();
    const file = await saved(page, () => entry(page, 'loud.txt').click());
    assert.deepEqual([file.name, file.content.toString()], ['loud.txt', 'HÄUSER\n']);
    await shot(page, 'files');
    await page.getByRole('button', { name: 'Delete loud.txt' }).click();
    await entry(page, 'loud.txt').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'workspace' }).click();
    await entry(page, 'notes.txt').waitFor();
    clean(seen);
    await close();
});

test('files are dropped into the folder that is open', async () => {
    const { page, seen, close } = await open({ code: 'from pathlib import Path; Path("inner").mkdir()\n' });
    await run(page);
    await tab(page, 'Files').click();
    await entry(page, 'inner').click();
    await page.getByText('Drop some here').waitFor();
    const dropped = await page.evaluateHandle(() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(['one'], 'a.txt'));
        transfer.items.add(new File([new Uint8Array(300000).fill(7)], '<b> & c.bin'));
        return transfer;
    });
    const folder = page.locator('.files');
    await folder.dispatchEvent('dragover', { dataTransfer: dropped });
    await page.locator('.files-over').waitFor();
    await folder.dispatchEvent('drop', { dataTransfer: dropped });
    await entry(page, 'a.txt').waitFor();
    const file = await saved(page, () => entry(page, '<b> & c.bin').click());
    assert.equal(file.content.length, 300000);
    assert.ok(file.content.every((byte) => byte === 7));
    await writeCode(page, 'print(sorted(path.name for path in Path("inner").iterdir()))');
    await run(page);
    assert.equal(await wholeOutput(page), "['<b> & c.bin', 'a.txt']\n");
    clean(seen);
    await close();
});

test('runs are undone and done again, generators included', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/rollback'))) return context.skip('this server has no saved states');
    const { page, seen, close } = await open({ code: 'numbers = (n for n in range(10))\n' });
    await run(page);
    await writeCode(page, 'print("next is", next(numbers))');
    await run(page);
    await row(page, 'next is 0');
    await run(page);
    await row(page, 'next is 1');
    const undo = page.getByRole('button', { name: /^Undo the last run/ });
    await undo.click();
    await row(page, 'Back in the state after run 2');
    await undo.click();
    await row(page, 'Back in the state after run 1');
    await run(page);
    await row(page, 'next is 0');
    await undo.click();
    await row(page, 'Back in the state after run 1');
    await tab(page, 'States').click();
    await page.locator('[aria-current=step]', { hasText: 'After run 1' }).waitFor();
    await shot(page, 'timeline');
    await page.getByRole('button', { name: /^Redo/ }).click();
    await page.locator('[aria-current=step]', { hasText: 'After run 4' }).waitFor();
    await run(page);
    await row(page, 'next is 1');
    clean(seen);
    await close();
});

test('a state is saved under a name, gone back to and deleted', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/rollback'))) return context.skip('this server has no saved states');
    const { page, seen, close } = await open({ code: 'x = 1\n' });
    await run(page);
    await tab(page, 'States').click();
    await page.getByRole('textbox', { name: 'Name of the saved state' }).fill('one');
    await page.getByRole('button', { name: 'Save the state', exact: true }).click();
    await page.locator('[aria-current=step]', { hasText: 'one' }).waitFor();
    await writeCode(page, 'x = 2');
    await run(page);
    await tab(page, 'States').click();
    await page.getByRole('button', { name: 'Go back to one' }).click();
    await page.locator('[aria-current=step]', { hasText: 'one' }).waitFor();
    await writeCode(page, 'print("x is", x)');
    await run(page);
    await row(page, 'x is 1');
    await tab(page, 'States').click();
    await page.getByRole('button', { name: 'Delete the state one' }).click();
    await page.locator('.checkpoints li', { hasText: 'one' }).waitFor({ state: 'detached' });
    clean(seen);
    await close();
});

test('a copy goes its own way, and the session it was made from is one click away', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/fork'))) return context.skip('this server makes no copies');
    const { page, seen, close } = await open({ code: 'x = 1\n' });
    await run(page);
    const parent = await page.evaluate(() => sessionStorage.getItem('penny.session'));
    await tab(page, 'States').click();
    await page.getByRole('button', { name: /^Fork/ }).click();
    const sessions = page.getByRole('combobox', { name: 'Session' });
    await sessions.waitFor();
    await writeCode(page, 'x += 1; print("x is", x)');
    await run(page);
    await row(page, 'x is 2');
    await shot(page, 'fork');
    await sessions.selectOption(parent);
    await writeCode(page, 'print("x is still", x)');
    await run(page);
    await row(page, 'x is still 1');
    clean(seen);
    await close();
});

test('the parts of a program race, and the first that succeeds is kept', async (context) => {
    if (!(await has('/api/v1/sessions/{id}/race'))) return context.skip('this server holds no races');
    const { page, seen, close } = await open({ code: 'base = 10\n' });
    await run(page);
    await writeCode(page, '# %% one\nresult = base / 0\n# %% two\nresult = base * 2\nprint("two made it")\n');
    await tab(page, 'States').click();
    await page.getByRole('button', { name: 'Race 2 parts' }).click();
    await tab(page, 'Output').click();
    await row(page, '2| two made it');
    await row(page, 'The session goes on from part 2');
    await writeCode(page, 'print("result is", result)');
    await run(page);
    await row(page, 'result is 20');
    clean(seen);
    await close();
});

test('packages are searched', async (context) => {
    if (!(await has('/api/v1/packages'))) return context.skip('this server has no list of packages');
    const { page, seen, close } = await open({ code: '' });
    await tab(page, 'Packages').click();
    const found = page.locator('.package-list li');
    await found.filter({ hasText: 'numpy' }).first().waitFor();
    await page.getByRole('searchbox', { name: 'Search packages' }).fill('panda');
    await found.filter({ hasText: 'numpy' }).first().waitFor({ state: 'detached' });
    await found.filter({ hasText: 'pandas' }).getByText('always there').waitFor();
    await page.getByRole('searchbox', { name: 'Search packages' }).fill('no such package');
    await page.getByText('No package of this name').waitFor();
    await shot(page, 'packages');
    clean(seen);
    await close();
});

const PACKAGE = process.env.PENNY_TEST_PACKAGE;

test('a package is installed with its progress, imported and taken out', { skip: !PACKAGE && 'PENNY_TEST_PACKAGE names no package that this server may install' }, async () => {
    const module = PACKAGE.replaceAll('-', '_');
    const { page, seen, close } = await open({ code: `import ${module}\nprint("version", ${module}.version)\n` });
    await page.locator('.squiggly-error').waitFor();
    await tab(page, 'Packages').click();
    await page.getByRole('searchbox', { name: 'Search packages' }).fill(PACKAGE);
    const progress = `progress[aria-label="Progress of ${PACKAGE}"]`;
    await page.evaluate((bar) => { // it may be over sooner than anybody looks
        new MutationObserver(() => (window.seenProgress ||= document.querySelector(bar) !== null)).observe(document.body, { childList: true, subtree: true });
    }, progress);
    await page.getByRole('button', { name: `Install ${PACKAGE}` }).click();
    await page.waitForFunction(() => window.seenProgress);
    await page.getByText(`Installed ${PACKAGE} 1.0`).waitFor();
    await page.getByRole('button', { name: `Uninstall ${PACKAGE}` }).waitFor();
    await page.locator('.squiggly-error').waitFor({ state: 'detached' });
    await shot(page, 'install');
    await run(page);
    await row(page, 'version 1.0');
    await tab(page, 'Packages').click();
    await page.getByRole('button', { name: `Uninstall ${PACKAGE}` }).click();
    await page.getByRole('button', { name: `Install ${PACKAGE}` }).waitFor();
    clean(seen);
    await close();
});

test("the session's history is saved as a notebook", async (context) => {
    if (!(await has('/api/v1/sessions/{id}/notebook'))) return context.skip('this server writes no notebooks');
    const { page, seen, close } = await open({ code: 'print("in a cell")\n' });
    await run(page);
    const file = await saved(page, () => page.getByRole('button', { name: /^Save the session as a notebook/ }).click());
    assert.match(file.name, /\.ipynb$/);
    const notebook = JSON.parse(file.content.toString());
    assert.equal(notebook.nbformat, 4);
    assert.equal([notebook.cells[0].source].flat().join(''), 'print("in a cell")\n');
    clean(seen);
    await close();
});
