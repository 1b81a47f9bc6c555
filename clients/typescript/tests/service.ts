/* The service under test: PENNY_BASE_URL=http://127.0.0.1:3003, and PENNY_API_KEY where it asks for one. */

import assert from 'node:assert/strict';
import { test as nodeTest, type TestContext } from 'node:test';
import { SandboxClient, type SandboxSession, type SessionOptions } from '@penny/sandbox-client';

export const baseUrl = process.env['PENNY_BASE_URL'] ?? '';
const apiKey = process.env['PENNY_API_KEY'];
const skip = baseUrl === '' ? 'PENNY_BASE_URL is not set' : false;

export function newClient(url = baseUrl): SandboxClient {
    return new SandboxClient({ baseUrl: url, resumeDelay: 1, retryDelay: 100, ...(apiKey ? { apiKey } : {}) });
}

export function test(name: string, body: (client: SandboxClient, t: TestContext) => Promise<void>): void {
    nodeTest(name, { skip, timeout: 120000 }, (t) => body(newClient(), t));
}

export async function withSession(client: SandboxClient, body: (session: SandboxSession) => Promise<void>, options: SessionOptions = {}): Promise<void> {
    const session = client.session(await client.createSession(options));
    try {
        await body(session);
    } finally {
        await session.delete();
    }
}

/** As assert.equal for texts too long to be printed. */
export function assertSame(actual: string, expected: string): void {
    if (actual === expected) return;
    let at = 0;
    while (actual[at] === expected[at]) at++;
    assert.fail(`${actual.length} characters, not ${expected.length}; they differ at ${at}: ${JSON.stringify(actual.slice(at, at + 60))}, not ${JSON.stringify(expected.slice(at, at + 60))}`);
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/* What the service may not have: its own contract, or for one without a contract nothing, says so, and the test is skipped. */
export function feature(name: string, path: string, body: (session: SandboxSession, client: SandboxClient) => Promise<void>): void {
    test(name, async (client, t) => {
        const { paths } = await client.getOpenApi();
        if (!(path in paths)) return t.skip(`the service does not have ${path}`);
        await withSession(client, (session) => body(session, client));
    });
}
