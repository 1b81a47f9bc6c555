/** HTTP: one fetch per attempt, with authorization, time limit, abort, typed errors, and repetition where retry.ts permits it. */

import type { RequestOptions, ResolvedConfig } from './config.js';
import { ConnectionError, ProtocolError, SandboxError, errorFromResponse } from './errors.js';
import { Limit, pause } from './limit.js';
import { isRefusedBeforeSend, repeatDelay, type Method } from './retry.js';

export type Query = Record<string, string | number | boolean | undefined>;

export interface Call {
    method: Method;
    path: string;
    query?: Query | undefined;
    /** Sent as JSON. */
    json?: unknown;
    /** Sent as it is. */
    body?: unknown;
    headers?: Record<string, string>;
    options?: RequestOptions | undefined;
    /** ms, when the options do not say; the client's own timeout when neither does. */
    timeout?: number;
    /** The caller does its own repeating. */
    once?: boolean;
}

/** An answer whose body is still to come. Whoever has it calls close. */
export interface OpenAnswer {
    response: Response;
    close(): void;
}

/** One part of a path, encoded. An empty part, `.` or `..` would silently mean another address. */
export function segment(value: string): string {
    if (typeof value !== 'string' || value === '' || value === '.' || value === '..') {
        throw new TypeError(`${JSON.stringify(value)} cannot be a part of an address`);
    }
    return encodeURIComponent(value);
}

function queryString(query: Query | undefined): string {
    const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== undefined);
    return pairs.length === 0 ? '' : `?${pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`).join('&')}`;
}

function isStream(body: unknown): boolean {
    return typeof ReadableStream !== 'undefined' && body instanceof ReadableStream;
}

function connectionError(error: unknown): ConnectionError {
    const cause: any = (error as any)?.cause ?? error;
    const reason = cause?.code ?? cause?.message ?? String(cause);
    const refused = isRefusedBeforeSend(error);
    return new ConnectionError(refused ? `The service cannot be reached (${reason})` : `The connection was lost (${reason})`, !refused, error);
}

const ID = /^[0-9A-Za-z-]{1,64}$/;
const MOVES_MAX = 5; // in one call

function sessionOf(call: Call): string | undefined {
    const inPath = /^\/api\/v1\/(?:sessions|packages\/session)\/([0-9A-Za-z-]{1,64})(?:\/|$)/.exec(call.path)?.[1];
    const inBody = (call.json as { sessionId?: unknown } | undefined)?.sessionId;
    return inPath ?? (typeof inBody === 'string' ? inBody : undefined);
}

export class Transport {
    /** Sessions that have gone to another instance, under another id. */
    private readonly moved = new Map<string, string>();

    constructor(readonly config: ResolvedConfig) {}

    /** The call as it is where its session is now. */
    private place(call: Call): Call {
        const session = sessionOf(call);
        const there = session === undefined ? undefined : this.moved.get(session);
        if (session === undefined || there === undefined) return call;
        const body = call.json as { sessionId?: unknown } | undefined;
        return { ...call, path: call.path.replace(session, there), ...(body?.sessionId === session ? { json: { ...body, sessionId: there } } : {}) };
    }

    /** Whether the error says that the session of the call is elsewhere now: then the same call goes there. */
    private follow(call: Call, error: unknown): boolean {
        const session = sessionOf(call);
        const there = error instanceof SandboxError && error.code === 'SESSION_MOVED' ? error.details?.movedTo?.sessionId : undefined;
        if (session === undefined || typeof there !== 'string' || !ID.test(there) || this.moved.get(session) === there) return false;
        this.moved.set(session, there);
        return true;
    }

    /** The answer's JSON; {} for an empty body. */
    json<T>(call: Call): Promise<T> {
        return this.run({ ...call, headers: { Accept: 'application/json', ...call.headers } }, async (response) => {
            const text = await response.text();
            try {
                return (text === '' ? {} : JSON.parse(text)) as T;
            } catch {
                throw new ProtocolError(`${call.method} ${call.path} was answered with something that is not JSON`, text.slice(0, 4096));
            }
        });
    }

    text(call: Call): Promise<string> {
        return this.run(call, (response) => response.text());
    }

    bytes(call: Call): Promise<Uint8Array> {
        return this.run(call, async (response) => new Uint8Array(await response.arrayBuffer()));
    }

    headers(call: Call): Promise<Headers> {
        return this.run(call, async (response) => response.headers);
    }

    /** Opens a stream. The time limit ends with the answer's head; the caller's signal goes on. */
    open(call: Call): Promise<OpenAnswer> {
        return this.repeat(call, async () => {
            const { response, limit } = await this.attempt(call);
            limit.stopClock();
            return { response, close: () => limit.cancel() };
        });
    }

    private run<T>(call: Call, consume: (response: Response) => Promise<T>): Promise<T> {
        return this.repeat(call, async () => {
            const { response, limit } = await this.attempt(call);
            try {
                return await consume(response);
            } catch (error) {
                throw limit.error() ?? (error instanceof SandboxError ? error : connectionError(error));
            } finally {
                limit.release();
            }
        });
    }

    private async repeat<T>(call: Call, once: () => Promise<T>): Promise<T> {
        for (let attempt = 1, moves = 0; ; attempt++) {
            try {
                return await once();
            } catch (error) {
                if (moves < MOVES_MAX && !isStream(call.body) && this.follow(call, error)) {
                    moves++;
                    continue;
                }
                const delay = call.once || isStream(call.body) ? undefined : repeatDelay(this.config, call.method, error, attempt);
                if (delay === undefined) throw error;
                await pause(delay, call.options?.signal);
            }
        }
    }

    private async attempt(wanted: Call): Promise<{ response: Response; limit: Limit }> {
        const call = this.place(wanted);
        const limit = new Limit(call.options?.signal, call.options?.timeout ?? call.timeout ?? this.config.timeout);
        try {
            const early = limit.error();
            if (early) throw early;
            const response = await this.config.fetch(this.config.baseUrl + call.path + queryString(call.query), this.init(call, limit.signal));
            if (!response.ok) throw await errorFromResponse(response);
            return { response, limit };
        } catch (error) {
            const own = limit.error();
            limit.release();
            throw own ?? (error instanceof SandboxError ? error : connectionError(error));
        }
    }

    private init(call: Call, signal: AbortSignal): RequestInit {
        const headers: Record<string, string> = { ...this.config.headers, ...call.headers };
        if (this.config.apiKey !== undefined) headers['Authorization'] = `Bearer ${this.config.apiKey}`;
        const init: RequestInit & { duplex?: 'half' } = { method: call.method, headers, signal };
        if (call.json !== undefined) {
            headers['Content-Type'] = 'application/json';
            const { sessionId } = (call.json ?? {}) as { sessionId?: unknown };
            // proxies before several instances read no bodies
            if (typeof sessionId === 'string' && ID.test(sessionId)) headers['X-Session-ID'] = sessionId;
            init.body = JSON.stringify(call.json);
        } else if (call.body !== undefined) {
            init.body = call.body as BodyInit;
            if (isStream(call.body)) init.duplex = 'half';
        }
        return init;
    }
}
