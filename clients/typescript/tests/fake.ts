/* A server that misbehaves as told. */

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { after } from 'node:test';

export interface Seen {
    method: string;
    url: string;
    headers: IncomingHttpHeaders;
    body: Buffer;
    json: any;
}

export type Answer = (seen: Seen, res: ServerResponse) => unknown;

/* What a failed test leaves open would keep its process from ending. */
const running = new Set<FakeServer>();
after(() => Promise.all([...running].map((each) => each.stop())));

function parse(body: Buffer): any {
    try {
        return JSON.parse(body.toString());
    } catch {
        return undefined;
    }
}

async function receive(req: IncomingMessage): Promise<Seen> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    return { method: req.method!, url: req.url!, headers: req.headers, body, json: parse(body) };
}

/**
 * Ports of the tests that need one which nobody else takes: 22000 to 23399, twenty for each file, which is a process of its own. Other suites, which
 * run at the same time, have those from 23500 on (tests/harness/lane.py), and the kernel gives clients higher ones.
 */
let nextPort = 22000 + (process.pid % 70) * 20;
export function reservePort(): number {
    return nextPort++;
}

export class FakeServer {
    readonly seen: Seen[] = [];
    private readonly sockets = new Set<Socket>();

    private constructor(
        private readonly server: Server,
        readonly url: string,
    ) {}

    static async start(answer: Answer, port = 0): Promise<FakeServer> {
        const server = createServer((req, res) => {
            receive(req).then(
                (seen) => {
                    fake.seen.push(seen);
                    return answer(seen, res);
                },
                () => res.destroy(),
            );
        });
        await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
        const fake = new FakeServer(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        running.add(fake);
        server.on('connection', (socket: Socket) => {
            fake.sockets.add(socket);
            socket.once('close', () => fake.sockets.delete(socket));
        });
        return fake;
    }

    count(method: string, path = ''): number {
        return this.seen.filter((each) => each.method === method && each.url.startsWith(path)).length;
    }

    async stop(): Promise<void> {
        running.delete(this);
        for (const socket of this.sockets) socket.destroy();
        await new Promise((resolve) => this.server.close(resolve));
    }
}

export function reply(res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
    res.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    res.end(JSON.stringify(body));
}

/** Sends these bytes and then tears the connection down. */
export function cutAfter(res: ServerResponse, bytes: Uint8Array): void {
    res.write(bytes, () => res.destroy());
}

export const EXECUTION = '11111111-2222-4333-8444-555555555555';
export const SESSION = '99999999-8888-4777-8666-555555555555';
export const EPOCH = '0badcafe';

export interface Told {
    type: string;
    data: any;
}

export function sse(event: Told, number: number, eol = '\n', epoch = EPOCH): string {
    const json = JSON.stringify({ ...event, timestamp: '2026-01-31T12:00:00.000Z', executionId: EXECUTION, sessionId: SESSION });
    return [`id: ${epoch}-${number}`, `event: ${event.type}`, `data: ${json}`, '', ''].join(eol);
}

export function result(output: Record<string, unknown> = {}, more: Record<string, unknown> = {}): any {
    return {
        success: true,
        status: 'ok',
        sessionId: SESSION,
        executionId: EXECUTION,
        executionCount: 1,
        output: { stdout: '', stderr: '', plots: [], variables: {}, results: [], ...output },
        metrics: { executionTime: 1.5, memoryUsage: 1, cpuUsage: 0 },
        state: 'kept',
        artifacts: [],
        ...more,
    };
}

export function complete(output?: Record<string, unknown>, more?: Record<string, unknown>): Told {
    return { type: 'complete', data: result(output, more) };
}

/** How one connection of a run is answered: the bytes due to it are given. */
export type Delivery = (bytes: Buffer, res: ServerResponse, connection: number) => unknown;

const whole: Delivery = (bytes, res) => res.end(bytes);

/** A run of which the events are known: answers the POST that starts it, and the GETs that resume it. */
export class FakeRun {
    starts = 0;
    cancels = 0;
    connections = 0;
    resumedAfter: Array<string | undefined> = [];
    head: Record<string, string> = {};

    constructor(
        readonly events: Told[],
        public deliver: Delivery = whole,
        private readonly encode: (event: Told, number: number) => string = sse,
    ) {}

    bytes(after = 0): Buffer {
        return Buffer.from(this.events.map((event, i) => (i < after ? '' : this.encode(event, i + 1))).join(''));
    }

    readonly answer: Answer = (seen, res) => {
        if (seen.method === 'DELETE') return this.cancel(res);
        let after = 0;
        if (seen.method === 'POST') this.starts++;
        else {
            const id = seen.headers['last-event-id'] as string | undefined;
            this.resumedAfter.push(id);
            after = id === undefined ? 0 : Number(id.split('-')[1]);
        }
        res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', ...(seen.method === 'POST' ? this.head : {}) });
        res.flushHeaders();
        return this.deliver(this.bytes(after), res, this.connections++);
    };

    private cancel(res: ServerResponse): void {
        this.cancels++;
        reply(res, 202, { success: true });
    }
}
