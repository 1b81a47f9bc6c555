/*
 * What a user of the official SDK writes, where there are sessions (up to revision 2025-11-25).
 *     node sessions.mjs http URL [KEY]
 *     node sessions.mjs stdio COMMAND ARGUMENT...
 */
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [kind, where, ...more] = process.argv.slice(2);
const TOOLS = ['run_code', 'interrupt', 'list_variables', 'list_files', 'read_file', 'write_file', 'install_packages', 'checkpoint', 'list_checkpoints', 'rollback', 'fork', 'end_session'];

/* Cuts an answer off once it has said "cut here"; everything else goes through as it is. */
function cutting(seen) {
    return async (url, init) => {
        const answer = await fetch(url, init);
        if (seen.cuts > 0 || init.method !== 'POST' || !answer.body || !String(init.body).includes('cut here')) {
            if (init.headers?.get?.('last-event-id')) seen.resumed++;
            return answer;
        }
        seen.cuts++;
        const reader = answer.body.getReader();
        let text = '';
        const body = new ReadableStream({
            async pull(controller) {
                const { done, value } = await reader.read();
                if (done) return controller.close();
                controller.enqueue(value);
                text += Buffer.from(value).toString();
                if (text.includes('"message":"cut here')) {
                    await reader.cancel();
                    controller.error(new Error('cut'));
                }
            },
        });
        return new Response(body, { status: answer.status, headers: answer.headers });
    };
}

const seen = { cuts: 0, resumed: 0 };
function transport(sessionId) {
    if (kind === 'stdio') return new StdioClientTransport({ command: where, args: more, env: process.env });
    const headers = more[0] ? { Authorization: `Bearer ${more[0]}` } : {};
    return new StreamableHTTPClientTransport(new URL(where), { sessionId, requestInit: { headers }, fetch: cutting(seen) });
}

async function connect(sessionId) {
    const client = new Client({ name: 'test', version: '1.0.0' });
    const way = transport(sessionId);
    await client.connect(way);
    const call = (name, args = {}, options = undefined) => client.callTool({ name, arguments: args }, undefined, options);
    const value = async (code, args = {}) => (await call('run_code', { code, ...args })).structuredContent.result;
    return { client, way, call, value };
}

const one = await connect();
assert.equal(one.client.getServerVersion().name, 'penny-sandbox');
assert.match(one.client.getInstructions(), /run_code/);
assert.deepEqual((await one.client.listTools()).tools.map((t) => t.name), TOOLS);
await one.client.ping();

// output as progress, while it runs; the value; the state that stays
const WAIT = "import os, time\nwhile not os.path.exists('heard'): time.sleep(0.01)\nos.remove('heard')\n";
const listen = (told) => ({ onprogress: (p) => told.push(p) === 1 && one.call('write_file', { path: 'heard', content: '' }) });
const told = [];
const run = await one.call('run_code', { code: `x = 20\nprint('a\\né', flush=True)\n${WAIT}x + 1` }, listen(told));
assert.equal(told.map((p) => p.message).join(''), 'a\né\n');
assert.deepEqual(run.content, [{ type: 'text', text: 'a\né\n' }, { type: 'text', text: '21' }]);
assert.deepEqual([run.structuredContent.status, run.structuredContent.stdout, run.isError], ['ok', 'a\né\n', undefined]);

const picture = (await one.call('run_code', { code: 'import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()' })).content;
assert.deepEqual([picture.length, picture[0].type, picture[0].mimeType], [1, 'image', 'image/png']);
assert.equal(Buffer.from(picture[0].data, 'base64').subarray(1, 4).toString(), 'PNG');

const failed = await one.call('run_code', { code: '1/0' });
assert.equal(failed.isError, true);
assert.match(failed.content[0].text, /ZeroDivisionError: division by zero/);

// each tool
assert.equal((await one.call('list_variables')).structuredContent.variables.x.value, 20);
await one.call('write_file', { path: 'data/a.txt', content: 'some téxt' });
assert.equal(await one.value("open('data/a.txt').read()"), "'some téxt'");
assert.deepEqual((await one.call('read_file', { path: 'data/a.txt' })).content, [{ type: 'text', text: 'some téxt' }]);
assert.deepEqual((await one.call('list_files', { depth: 2 })).structuredContent.entries.map((e) => e.path), ['data', 'data/a.txt']);
const checkpoint = (await one.call('checkpoint', { name: 'before' })).structuredContent.id;
await one.value('x = None');
assert.ok((await one.call('list_checkpoints')).structuredContent.checkpoints.some((c) => c.id === checkpoint));
await one.call('rollback', { checkpointId: 'before' });
assert.equal(await one.value('x'), '20');
const [fork, other] = (await one.call('fork', { count: 2 })).structuredContent.sessionIds;
assert.equal(await one.value('x = "fork"; x', { session: fork }), "'fork'");
assert.deepEqual([await one.value('x'), await one.value('x', { session: other })], ['20', '20']);
for (const session of [fork, other]) assert.equal((await one.call('end_session', { session })).structuredContent.success, true);
const refused = await one.call('install_packages', { packages: ['no such name'] });
assert.equal(refused.isError, true);
assert.equal((await one.call('interrupt')).structuredContent.success, false);

// an error of the protocol, and one of a tool
await assert.rejects(one.call('nothing'), /Unknown tool: nothing/);
assert.match((await one.call('read_file', { path: 'none' })).content[0].text, /Call list_files/);

// cancelled: the run is interrupted, its state kept
const stop = new AbortController();
const cancelled = one.call('run_code', { code: "print('go')\nwhile True: pass" }, { signal: stop.signal, onprogress: () => stop.abort('enough') });
await assert.rejects(cancelled, /enough/);
assert.equal(await one.value('x'), '20');

// several at once, and a second client that knows nothing of the first
const two = await connect();
await two.value('x = "of two"');
assert.deepEqual(await Promise.all([one.value('x'), two.value('x'), one.value('x + 1'), two.value('len(x)')]), ['20', "'of two'", '21', '6']);
await two.client.close();

if (kind === 'http') {
    // the answer is cut off in the middle, and goes on
    const heard = [];
    const whole = await one.call('run_code', { code: "print('cut here', flush=True)\n" + WAIT + "print('the rest')\n'end'" }, listen(heard));
    assert.deepEqual([whole.structuredContent.result, heard.map((p) => p.message).join(''), seen.cuts], ["'end'", 'cut here\nthe rest\n', 1]);
    // another connection to the same session
    const again = await connect(one.way.sessionId);
    assert.equal(await again.value('x'), '20');
    await again.client.close();
    await one.way.terminateSession();
    await assert.rejects((await connect('00000000-0000-4000-8000-000000000000')).client.ping(), /404|no such session/);
}
await one.client.close();
console.log('all');
