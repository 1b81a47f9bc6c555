/* Calls over a network that fails: what is repeated, what is not, and which error comes out. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as penny from '@penny/sandbox-client';
import { SandboxClient, SandboxError, type SandboxClientConfig } from '@penny/sandbox-client';
import { FakeServer, SESSION, reply, reservePort, result, type Answer } from './fake.js';

async function serve(answer: Answer, use: (client: SandboxClient, server: FakeServer) => Promise<void>, config: Partial<SandboxClientConfig> = {}): Promise<void> {
    const server = await FakeServer.start(answer);
    try {
        await use(new SandboxClient({ baseUrl: server.url, retryDelay: 1, ...config }), server);
    } finally {
        await server.stop();
    }
}

async function errorOf(promise: Promise<unknown>): Promise<any> {
    const error = await promise.then(() => assert.fail('no error'), (thrown) => thrown);
    assert.ok(error instanceof SandboxError, String(error));
    return error;
}

/** Fails so many times, then answers. */
function failing(times: number, fail: Answer, body: unknown = {}): Answer {
    let left = times;
    return (seen, res) => (left-- > 0 ? fail(seen, res) : reply(res, 200, body));
}

const cut: Answer = (_seen, res) => res.destroy();
const half: Answer = (_seen, res) => {
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '100' });
    res.write('{"success": tr', () => res.destroy());
};
const status = (code: number, headers: Record<string, string> = {}): Answer => (_seen, res) => reply(res, code, { message: 'm', code: 'C' }, headers);

const POSTS: Record<string, (client: SandboxClient) => Promise<unknown>> = {
    execute: (client) => client.execute({ code: 'x' }),
    executeStream: (client) => client.executeStream({ code: 'x' }),
    startExecution: (client) => client.startExecution({ code: 'x' }),
    createSession: (client) => client.createSession(),
    installPackages: (client) => client.installPackages(SESSION, ['numpy']),
    fork: (client) => client.session(SESSION).fork(),
    race: (client) => client.session(SESSION).race({ candidates: ['x'] }),
    sendInput: (client) => client.sendInput(SESSION, 'x'),
    restart: (client) => client.session(SESSION).restart(),
    updateSession: (client) => client.updateSession(SESSION, {}),
};

test('no POST or PATCH is sent twice, whatever became of it', async () => {
    for (const fail of [cut, half, status(500), status(502), status(503, { 'Retry-After': '0' }), status(504), status(400)]) {
        for (const [name, post] of Object.entries(POSTS)) {
            await serve(fail, async (client, server) => {
                await errorOf(post(client));
                assert.equal(server.seen.length, 1, name);
            });
        }
    }
});

test('GET, PUT, DELETE and HEAD are repeated after a cut, 502, 503 and 504', async () => {
    const calls: Array<(client: SandboxClient) => Promise<unknown>> = [
        (client) => client.getSession(SESSION),
        (client) => client.updateSessionVariables(SESSION, { a: 1 }),
        (client) => client.deleteSession(SESSION),
        (client) => client.session(SESSION).files.write('a.txt', 'abc'),
        (client) => client.session(SESSION).files.stat('a.txt'),
    ];
    for (const fail of [cut, half, status(502), status(503), status(504)]) {
        for (const call of calls) {
            await serve(failing(3, fail), async (client, server) => {
                await call(client);
                assert.ok(server.seen.length === 4 || (fail === half && server.seen[0]!.method === 'HEAD'));
                assert.equal(new Set(server.seen.map((each) => each.body.toString())).size, 1);
            });
        }
    }
});

test('repeated retryAttempts times and not once more; 0 means never', async () => {
    for (const retryAttempts of [0, 1, 3]) {
        await serve(status(503), async (client, server) => {
            assert.equal((await errorOf(client.getHealth())).status, 503);
            assert.equal(server.seen.length, retryAttempts + 1);
        }, { retryAttempts });
    }
});

test('500 and the 4xx are answers, not accidents', async () => {
    for (const code of [400, 401, 403, 404, 409, 410, 413, 422, 500]) {
        await serve(status(code), async (client, server) => {
            assert.equal((await errorOf(client.getHealth())).statusCode, code);
            assert.equal(server.seen.length, 1);
        });
    }
    await serve(failing(1, status(500)), async (client) => void (await client.getHealth()), { retryOnStatus: [500] });
});

test('the delays grow as told, and Retry-After comes before them', async () => {
    const times: number[] = [];
    const note = (fail: Answer): Answer => (seen, res) => (times.push(Date.now()), fail(seen, res));
    await serve(note(status(503)), async (client) => void (await errorOf(client.getHealth())), { retryDelay: 40 });
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    assert.ok(gaps[0]! >= 39 && gaps[1]! >= 79 && gaps[2]! >= 119 && gaps[2]! < 20000, String(gaps));
    times.length = 0;
    await serve(note(status(503)), async (client) => void (await errorOf(client.getHealth())), { retryDelay: 30, exponentialBackoff: true });
    assert.ok(times[3]! - times[2]! >= 119);
});

test('429: waited for as asked, for a run too, which the service has not begun', async () => {
    let refusals = 0;
    const limited: Answer = (_seen, res) => (refusals++, reply(res, 429, { message: 'slow down', code: 'RATE_LIMITED' }, { 'Retry-After': '1' }));
    await serve(failing(1, limited, result()), async (client, server) => {
        const begin = Date.now();
        assert.equal((await client.execute({ code: 'x' })).success, true);
        assert.ok(Date.now() - begin >= 990);
        assert.deepEqual([refusals, server.seen.length], [1, 2]);
    });
});

test('429 that asks for more patience than maxRetryDelay is told at once', async () => {
    await serve(status(429, { 'Retry-After': '3600', 'X-Request-Id': 'r-1' }), async (client, server) => {
        const error = await errorOf(client.getHealth());
        assert.ok(error instanceof penny.RateLimitError);
        assert.deepEqual([error.retryAfter, error.requestId, error.code, error.message, error.statusCode], [3600, 'r-1', 'C', 'm', 429]);
        assert.equal(server.seen.length, 1);
    });
    const date = new Date(Date.now() + 3600_000).toUTCString();
    await serve(status(429, { 'Retry-After': date }), async (client) => {
        const { retryAfter } = await errorOf(client.getHealth());
        assert.ok(retryAfter > 3590 && retryAfter <= 3600);
    });
});

test('refused before anything was sent: every call is repeated, and a run is done once', async () => {
    for (const [name, call] of Object.entries(POSTS)) {
        const port = reservePort();
        const client = new SandboxClient({ baseUrl: `http://127.0.0.1:${port}`, retryDelay: 30, resumeDelay: 1 });
        const pending = call(client).catch((error) => error);
        await new Promise((resolve) => setTimeout(resolve, 50));
        const server = await FakeServer.start((_seen, res) => reply(res, 200, result()), port);
        await pending;
        assert.equal(server.seen.length, 1, name);
        await server.stop();
    }
    const nobody = new SandboxClient({ baseUrl: `http://localhost:${reservePort()}`, retryDelay: 1 });
    const error = await errorOf(nobody.execute({ code: 'x' }));
    assert.ok(error instanceof penny.ConnectionError && !error.sent);
    assert.equal(error.code, 'CONNECTION_REFUSED');
    assert.ok(error.cause);
});

test('each status has its class, and every class is a SandboxError and an Error', async () => {
    const classes: Record<number, Function> = {
        400: penny.ValidationError, 401: penny.AuthenticationError, 403: penny.ForbiddenError, 404: penny.NotFoundError, 409: penny.ConflictError,
        410: penny.GoneError, 413: penny.PayloadTooLargeError, 418: penny.SandboxError, 422: penny.ValidationError, 429: penny.RateLimitError, 500: penny.ServerError,
    };
    for (const [code, type] of Object.entries(classes)) {
        await serve(status(Number(code)), async (client) => {
            const error = await errorOf(client.getHealth());
            assert.equal(error.constructor, type);
            assert.equal(error.name, type.name);
            assert.ok(error instanceof Error);
        }, { retryAttempts: 0 });
    }
    await serve((_seen, res) => reply(res, 400, { error: 'Validation Error', validationErrors: [{ path: 'code' }] }), async (client) => {
        const error = await errorOf(client.getHealth());
        assert.deepEqual([error.message, error.code, error.validationErrors], ['Validation Error', 'HTTP_400', [{ path: 'code' }]]);
    });
});

test('an answer that is no JSON: of a proxy, cut, or empty', async () => {
    await serve((_seen, res) => res.end('<html>gateway</html>'), async (client) => {
        assert.equal((await errorOf(client.getHealth())).code, 'PROTOCOL_ERROR');
    });
    await serve((_seen, res) => (res.writeHead(502), res.end('<html>bad gateway</html>')), async (client) => {
        const error = await errorOf(client.getHealth());
        assert.deepEqual([error.code, error.message, error.details], ['HTTP_502', 'HTTP 502: Bad Gateway', '<html>bad gateway</html>']);
    });
    await serve((_seen, res) => (res.writeHead(204), res.end()), async (client) => assert.deepEqual(await client.deleteSession(SESSION), {}));
});

test('the time limit ends an attempt, is final, and is longer for a run', async () => {
    const never: Answer = () => {};
    await serve(never, async (client, server) => {
        assert.equal((await errorOf(client.getHealth())).code, 'REQUEST_TIMEOUT');
        assert.equal((await errorOf(client.execute({ code: 'x', timeout: 50 }))).details.timeout, 150);
        assert.equal((await errorOf(client.execute({ code: 'x' }, { timeout: 20 }))).details.timeout, 20);
        assert.equal((await errorOf(client.executeStream({ code: 'x' }))).code, 'REQUEST_TIMEOUT');
        assert.ok(server.seen.length <= 4); // fewer, when an attempt's time was over before it was read
    }, { timeout: 100 });
    const slowBody: Answer = (_seen, res) => void res.write('{');
    await serve(slowBody, async (client) => assert.equal((await errorOf(client.getHealth())).code, 'REQUEST_TIMEOUT'), { timeout: 100 });
});

test('the caller can end a call, also while it waits for its next attempt', async () => {
    const never: Answer = () => {};
    await serve(never, async (client) => {
        const signal = AbortSignal.timeout(50);
        assert.equal((await errorOf(client.getHealth({ signal }))).name, 'AbortError');
    });
    await serve(cut, async (client, server) => {
        const signal = AbortSignal.timeout(50);
        assert.equal((await errorOf(client.getHealth({ signal }))).name, 'AbortError');
        assert.ok(server.seen.length <= 1);
    }, { retryDelay: 10000 });
});

test('a stream given as content is sent once', async () => {
    await serve(cut, async (client, server) => {
        await errorOf(client.session(SESSION).files.write('a', new Blob(['abc']).stream()));
        assert.equal(server.seen.length, 1);
    });
});

test('who asks is told to the service: key, headers, no body where there is none', async () => {
    await serve((_seen, res) => reply(res, 200, {}), async (client, server) => {
        await client.getHealth();
        await client.createSession();
        const [get, post] = server.seen;
        assert.equal(get!.headers.authorization, 'Bearer k');
        assert.equal(get!.headers['x-own'], '1');
        assert.equal(get!.headers['content-type'], undefined);
        assert.equal(post!.headers['content-type'], 'application/json');
        assert.equal(post!.body.toString(), '{}');
    }, { apiKey: 'k', headers: { 'X-Own': '1' } });
});

test('a configuration that cannot work is refused at once', () => {
    assert.throws(() => new SandboxClient({} as any), TypeError);
    assert.throws(() => new SandboxClient(undefined as any), TypeError);
    assert.throws(() => new SandboxClient({ baseUrl: '', timeout: -1 }), TypeError);
    assert.throws(() => new SandboxClient({ baseUrl: '', retryAttempts: NaN }), TypeError);
    assert.ok(penny.createSandboxClient({ baseUrl: 'http://x///' }));
});
