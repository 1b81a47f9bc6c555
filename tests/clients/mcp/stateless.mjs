/*
 * The same by the official SDK of the revision 2026-07-28, where no request has a session: what is to be kept is named.
 *     node stateless.mjs http URL [KEY]
 *     node stateless.mjs stdio COMMAND ARGUMENT...
 */
import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

const [kind, where, ...more] = process.argv.slice(2);
const headers = kind === 'http' && more[0] ? { Authorization: `Bearer ${more[0]}` } : {};
const way =
    kind === 'stdio'
        ? new StdioClientTransport({ command: where, args: more, env: process.env })
        : new StreamableHTTPClientTransport(new URL(where), { requestInit: { headers } });
const client = new Client({ name: 'test', version: '1.0.0' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
await client.connect(way);
assert.equal(client.getNegotiatedProtocolVersion(), '2026-07-28');
assert.equal((await client.listTools()).tools.length, 12);

const call = (name, args = {}, options = undefined) => client.callTool({ name, arguments: args }, options);
const session = (await call('run_code', { code: 'x = 20' })).structuredContent.sessionId;
const told = [];
const wait = "import os, time\nwhile not os.path.exists('heard'): time.sleep(0.01)\n";
const onprogress = (p) => told.push(p.message) === 1 && call('write_file', { path: 'heard', content: '', session });
const run = await call('run_code', { code: `print('a', flush=True)\n${wait}x + 1`, session }, { onprogress });
assert.deepEqual([run.structuredContent.result, told.join('')], ['21', 'a\n']);
assert.equal((await call('run_code', { code: 'x', session })).structuredContent.result, '20');
assert.match((await call('run_code', { code: 'x' })).content[0].text, /NameError/);
assert.match((await call('list_files')).content[0].text, /Give `session`/);
await call('write_file', { path: 'a.txt', content: 'text', session });
assert.deepEqual((await call('read_file', { path: 'a.txt', session })).content, [{ type: 'text', text: 'text' }]);

const stop = new AbortController();
const cancelled = call('run_code', { code: "print('go')\nwhile True: pass", session }, { signal: stop.signal, onprogress: () => stop.abort(new Error('enough')) });
await assert.rejects(cancelled, /enough/);
assert.equal((await call('run_code', { code: 'x', session })).structuredContent.result, '20');
assert.equal((await call('end_session', { session })).structuredContent.success, true);
await client.close();
console.log('all');
