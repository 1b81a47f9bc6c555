/* Each method asks for what the API says. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SandboxClient } from '@penny/sandbox-client';
import { EXECUTION, FakeServer, SESSION, reply, result } from './fake.js';

const S = `/api/v1/sessions/${SESSION}`;
const X = `/api/v1/executions/${EXECUTION}`;

let server: FakeServer;
let client: SandboxClient;
let answer: any = {};

before(async () => {
    server = await FakeServer.start((seen, res) => {
        if (seen.method === 'HEAD') return res.writeHead(200, { 'Content-Length': '12', ETag: '"e"' }).end();
        if (typeof answer === 'string') return res.end(answer);
        return reply(res, 200, answer);
    });
    client = new SandboxClient({ baseUrl: `${server.url}/`, retryAttempts: 0 });
});
after(() => server.stop());

async function asks(call: Promise<unknown>, request: string, json?: unknown): Promise<any> {
    const got = await call;
    const { method, url, json: sent } = server.seen.at(-1)!;
    assert.equal(`${method} ${url}`, request);
    assert.deepEqual(sent, json);
    return got;
}

test("PENNY's methods", async () => {
    answer = { ok: 1 };
    const run = { code: 'x', sessionId: SESSION, timeout: 5, packages: ['a'], variables: { a: 1 }, allowNetworking: false, maxMemory: 1, maxCpu: 2 };
    assert.deepEqual(await asks(client.execute(run), 'POST /api/v1/execute', run), { ok: 1 });
    await asks(client.createSession(), 'POST /api/v1/sessions', {});
    await asks(client.getSession(SESSION), `GET ${S}`);
    await asks(client.updateSession(SESSION, { metadata: { a: 1 } }), `PATCH ${S}`, { metadata: { a: 1 } });
    await asks(client.deleteSession(SESSION), `DELETE ${S}`);
    await asks(client.getSessionVariables(SESSION), `GET ${S}/variables`);
    await asks(client.updateSessionVariables(SESSION, { a: 1 }), `PUT ${S}/variables`, { a: 1 });
    await asks(client.clearSessionVariables(SESSION), `DELETE ${S}/variables`);
    await asks(client.validateCode('x', { strict: true }), 'POST /api/v1/validate', { code: 'x', strict: true });
    await asks(client.validateSecurity('x'), 'POST /api/v1/validate/security', { code: 'x' });
    await asks(client.validateSyntax('x'), 'POST /api/v1/validate/syntax', { code: 'x' });
    await asks(client.getPackages(), 'GET /api/v1/packages');
    await asks(client.getPackages({ search: 'a b&c', category: 'web', installed: false }), 'GET /api/v1/packages?search=a%20b%26c&category=web&installed=false');
    await asks(client.getPackageInfo('a/b'), 'GET /api/v1/packages/a%2Fb');
    await asks(client.installPackages(SESSION, ['a'], true), 'POST /api/v1/packages/install', { sessionId: SESSION, packages: ['a'], force: true });
    await asks(client.installPackages(SESSION, ['a']), 'POST /api/v1/packages/install', { sessionId: SESSION, packages: ['a'], force: false });
    await asks(client.uninstallPackages(SESSION, ['a']), 'POST /api/v1/packages/uninstall', { sessionId: SESSION, packages: ['a'] });
    await asks(client.getSessionPackages(SESSION), `GET /api/v1/packages/session/${SESSION}`);
    await asks(client.getHealth(), 'GET /health');
});

test('a session that the body names is named in a header, for proxies', async () => {
    answer = {};
    await client.installPackages(SESSION, ['a']);
    assert.equal(server.seen.at(-1)!.headers['x-session-id'], SESSION);
    await client.installPackages('a\r\nb: c', ['a']);
    assert.equal(server.seen.at(-1)!.headers['x-session-id'], undefined);
});

test('sessions', async () => {
    answer = {};
    const options = { metadata: { a: 1 }, initialPackages: ['p'], initialVariables: { v: 1 }, timeout: 9, policy: 'open' };
    await asks(client.createSession(options), 'POST /api/v1/sessions', { metadata: { a: 1 }, policy: 'open', packages: ['p'], variables: { v: 1 }, idleTimeout: 9 });
    await asks(client.listSessions(), 'GET /api/v1/sessions');
    await asks(client.listSessions({ status: 'idle', limit: 5, offset: 0, sortBy: 'createdAt', sortOrder: 'asc' }), 'GET /api/v1/sessions?status=idle&limit=5&offset=0&sortBy=createdAt&sortOrder=asc');
    await asks(client.getSessionStats(SESSION), `GET ${S}/stats`);
    const session = client.session({ id: SESSION });
    await asks(session.interrupt(), `POST ${S}/interrupt`, {});
    await asks(session.restart(), `POST ${S}/restart`, {});
    await asks(session.rollback(), `POST ${S}/rollback`, {});
    await asks(session.rollback('c'), `POST ${S}/rollback`, { checkpointId: 'c' });
    await asks(session.createCheckpoint('n'), `POST ${S}/checkpoints`, { name: 'n' });
    await asks(session.deleteCheckpoint('c'), `DELETE ${S}/checkpoints/c`);
    answer = { sessions: [1, 2], checkpoints: [3] };
    assert.deepEqual(await asks(session.fork(2), `POST ${S}/fork`, { count: 2 }), [1, 2]);
    assert.deepEqual(await asks(session.listCheckpoints(), `GET ${S}/checkpoints`), [3]);
    await asks(session.race({ candidates: ['a', 'b'] }), `POST ${S}/race`, { keep: 'firstOk', candidates: ['a', 'b'] });
    await assert.rejects(session.raceStream({ candidates: ['a'] }), /Events were asked for/);
    assert.deepEqual(server.seen.at(-1)!.json, { keep: 'firstOk', onDisconnect: 'interrupt', candidates: ['a'] });
    await asks(session.listPlots(), `GET ${S}/plots`);
    await asks(session.getPlot('p'), `GET ${S}/plots/p`);
    await asks(session.notebook(), `GET ${S}/notebook`);
    await asks(session.export(), `GET ${S}/export`);
    await asks(client.importSession(Buffer.from('{"a":1}')), 'POST /api/v1/sessions/import', { a: 1 });
    answer = result();
    await asks(session.execute('x'), 'POST /api/v1/execute', { code: 'x', sessionId: SESSION });
    await asks(session.start({ code: 'x', timeout: 1 }), 'POST /api/v1/executions', { code: 'x', timeout: 1, sessionId: SESSION });
});

test('executions, variables, the service', async () => {
    answer = {};
    await asks(client.startExecution({ code: 'x' }), 'POST /api/v1/executions', { code: 'x' });
    await asks(client.getExecution(EXECUTION), `GET ${X}`);
    await asks(client.cancelExecution(EXECUTION), `DELETE ${X}`);
    await asks(client.sendInput(EXECUTION, 'a'), `POST ${X}/input`, { text: 'a' });
    const { variables } = client.session(SESSION);
    await asks(variables.get('\u00e4'), `GET ${S}/variables/%C3%A4`);
    await asks(variables.page('df', 100, 50), `GET ${S}/variables/df?offset=100&limit=50`);
    await asks(variables.export('df', 'csv'), `GET ${S}/variables/df?format=csv`);
    await asks(variables.delete('df'), `DELETE ${S}/variables/df`);
    await asks(client.getReady(), 'GET /ready');
    await asks(client.getOpenApi(), 'GET /openapi.json');
    answer = 'penny_up 1\n';
    assert.equal(await asks(client.getMetrics(), 'GET /metrics'), 'penny_up 1\n');
});

test('files: as text, bytes, Blob and stream', async () => {
    const { files } = client.session(SESSION);
    answer = {};
    await asks(files.list(), `GET ${S}/files`);
    await asks(files.list('/workspace'), `GET ${S}/files`);
    await asks(files.list('a b', { depth: 2 }), `GET ${S}/files?path=a%20b&depth=2`);
    await asks(files.delete('./a//b.txt'), `DELETE ${S}/files/a/b.txt`);
    assert.deepEqual(await asks(files.stat('a'), `HEAD ${S}/files/a`), { size: 12, etag: '"e"' });
    const bytes = Uint8Array.of(0, 255, 10, 13);
    for (const content of [bytes, bytes.buffer, new Blob([bytes]), new Blob([bytes]).stream() as ReadableStream<Uint8Array>]) {
        await asks(files.write('/workspace/d/\u00e4 #?.bin', content), `PUT ${S}/files/d/%C3%A4%20%23%3F.bin`);
        assert.deepEqual(new Uint8Array(server.seen.at(-1)!.body), bytes);
    }
    await asks(files.write('a', '\u00e4'), `PUT ${S}/files/a`);
    assert.equal(server.seen.at(-1)!.body.toString(), '\u00e4');
    await asks(files.upload({ 'd/a.txt': 'one', b: bytes }), `POST ${S}/files`);
    const { headers, body } = server.seen.at(-1)!;
    assert.match(headers['content-type']!, /^multipart\/form-data; boundary=/);
    assert.match(body.toString('latin1'), /filename="d\/a.txt"[^]*one[^]*filename="b"[^]*\0\xff\n\r/);
    answer = 'content';
    assert.equal(await asks(files.readText('a'), `GET ${S}/files/a`), 'content');
    assert.equal(Buffer.from(await asks(files.read('a', { start: 2, end: 5 }), `GET ${S}/files/a`)).toString(), 'content');
    assert.equal(server.seen.at(-1)!.headers.range, 'bytes=2-4');
    let text = '';
    for await (const chunk of (await files.stream('a', { start: 1 })) as any) text += Buffer.from(chunk).toString();
    assert.equal(text, 'content');
    assert.equal(server.seen.at(-1)!.headers.range, 'bytes=1-');
});

test('a name that would mean another address is refused before anything is sent', async () => {
    const count = server.seen.length;
    const session = client.session(SESSION);
    for (const path of ['..', '../x', 'a/../../x', '', '/', '/workspace', '.']) assert.throws(() => session.files.delete(path), TypeError, path);
    for (const id of ['', '.', '..']) {
        assert.throws(() => client.session(id), TypeError);
        await assert.rejects(client.getSession(id), TypeError);
        await assert.rejects(client.getPackageInfo(id), TypeError);
        assert.throws(() => session.variables.get(id), TypeError);
    }
    await assert.rejects(client.execute({} as any), TypeError);
    assert.equal(server.seen.length, count);
});

test('defaults of a client go with each run that does not say otherwise', async () => {
    answer = result();
    const own = new SandboxClient({ baseUrl: server.url, defaultTimeout: 7, defaultMaxMemory: 8, defaultMaxCpu: 9 });
    await asks(own.execute({ code: 'x', maxCpu: 1 }), 'POST /api/v1/execute', { code: 'x', timeout: 7, maxMemory: 8, maxCpu: 1 });
});

test('installing with progress', async () => {
    const events = [
        { type: 'log', data: 'Collecting a' },
        { type: 'part', data: { type: 'log', part: 0, parts: 2, chunk: '"to' } },
        { type: 'part', data: { type: 'log', part: 1, parts: 2, chunk: 'gether"' } },
        { type: 'complete', data: { success: true, installed: ['a'], failed: [], logs: [] } },
    ];
    const stream = (last: number) => events.slice(0, last).map((event, i) => `id: 1-${i + 1}\ndata: ${JSON.stringify(event)}\n\n`).join('');
    for (const [last, type] of [[4, 'text/event-stream'], [2, 'text/event-stream']] as const) {
        const own = await FakeServer.start((_seen, res) => (res.setHeader('Content-Type', type), res.end(stream(last))));
        const told: any[] = [];
        const installing = new SandboxClient({ baseUrl: own.url }).installPackages(SESSION, ['a'], { onProgress: (event) => told.push(event.data) });
        if (last === 2) await assert.rejects(installing, /cut off/);
        else assert.deepEqual([(await installing).installed, told.slice(0, 2)], [['a'], ['Collecting a', 'together']]);
        assert.equal(own.seen.length, 1);
        assert.equal(own.seen[0]!.headers.accept, 'text/event-stream');
        await own.stop();
    }
});
