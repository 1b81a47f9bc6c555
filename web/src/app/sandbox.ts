/** What the page does: every request to the service begins here, and its outcome becomes actions. */

import { GoneError, NotFoundError, SandboxClient, type EventStream, type SandboxSession } from '@penny/sandbox-client';
import { discover } from '../api/discover';
import { kept } from '../api/kept';
import { watchedFetch } from '../api/online';
import { pump } from '../api/pump';
import type { Action } from '../state/actions';
import { initialState, isBusy, sessionId, type SandboxState } from '../state/model';
import { reduce } from '../state/reducer';
import { createStore } from '../state/store';
import { saveAfterRun, saveStart } from './timeline';

export function say(error: unknown): string {
    return error instanceof Error ? error.message : String(error);
}

const isGone = (error: unknown): boolean => error instanceof NotFoundError || error instanceof GoneError;

export interface RunOptions {
    /** The output of earlier runs stays, and this is shown below it. */
    echo?: string;
    /** ms */
    timeout?: number;
}

export class Sandbox {
    readonly store = createStore<SandboxState, Action>(reduce, initialState());
    readonly client: SandboxClient;
    private keys = 0;
    private opening: Promise<string> | undefined;
    /** A state that is being saved: the next run waits for it. */
    private saving: Promise<void> = Promise.resolve();

    constructor(baseUrl = '') {
        const onOnline = (online: boolean) => this.dispatch({ type: 'online', online });
        this.client = new SandboxClient({ baseUrl, fetch: watchedFetch(onOnline), resumeAttempts: 60, maxResumeDelay: 2000 });
    }

    get state(): SandboxState {
        return this.store.get();
    }

    get session(): SandboxSession | undefined {
        const id = sessionId(this.state);
        return id === undefined ? undefined : this.client.session(id);
    }

    dispatch(action: Action): void {
        this.store.dispatch(action);
    }

    /** What is asked for by a click: a failure is told. */
    async attempt(work: () => Promise<unknown>): Promise<boolean> {
        try {
            await work();
            return true;
        } catch (error) {
            this.dispatch({ type: 'notice', message: say(error) });
            return false;
        }
    }

    /* The session */

    /** Finds out what the server can do, and takes up the tab's session or opens one. */
    async begin(): Promise<void> {
        this.dispatch({ type: 'automatic', automatic: kept.automatic });
        await this.resume().catch(() => this.open().catch(() => undefined));
        this.dispatch({ type: 'features', features: await discover(this.client, () => this.session) });
        await Promise.all([this.refresh(), this.readModules()]);
    }

    private async resume(): Promise<void> {
        const id = kept.session;
        if (id === undefined) throw new Error('There is no session to resume');
        this.dispatch({ type: 'sessionOpening' });
        const info = await this.client.getSession(id);
        if (info.status === 'terminated') throw new GoneError('The session has ended', 'GONE', 410);
        this.dispatch({ type: 'sessionOpened', id, info });
        this.know([...new Set([...kept.sessions, id])]);
        if (kept.execution !== undefined) void this.watch(kept.execution);
    }

    /** The id of the session there is, or of a new one. */
    async open(): Promise<string> {
        const id = sessionId(this.state);
        if (id !== undefined) return id;
        this.opening ??= this.create().finally(() => (this.opening = undefined));
        return this.opening;
    }

    private async create(): Promise<string> {
        this.dispatch({ type: 'sessionOpening' });
        try {
            const info = await this.client.createSession({ metadata: { client: 'web' } });
            kept.session = info.id;
            kept.execution = undefined;
            this.dispatch({ type: 'sessionOpened', id: info.id, info });
            this.know([...this.state.sessions, info.id]);
            return info.id;
        } catch (error) {
            this.dispatch({ type: 'sessionFailed', message: say(error) });
            throw error;
        }
    }

    /** Another session in this page's place. */
    async enter(id: string): Promise<void> {
        this.dispatch({ type: 'sessionClosed' });
        kept.session = id;
        kept.execution = undefined;
        this.keys++;
        this.dispatch({ type: 'sessionOpened', id });
        this.know([...new Set([...this.state.sessions, id])]);
        await Promise.all([this.refresh(), this.readModules()]);
    }

    private know(ids: readonly string[]): void {
        kept.sessions = ids;
        this.dispatch({ type: 'sessions', ids });
    }

    /** Ends the session; `fresh`: and opens another. Else the page goes on in what it was copied from or to, where there is one. */
    async end(fresh: boolean): Promise<void> {
        const old = this.session;
        const rest = this.state.sessions.filter((id) => id !== old?.id);
        this.know(rest);
        kept.session = undefined;
        kept.execution = undefined;
        this.keys++;
        this.dispatch({ type: 'sessionClosed' });
        if (old) await old.delete().catch((error: unknown) => { if (!isGone(error)) throw error; });
        const next = rest[rest.length - 1];
        if (fresh) await this.open();
        else if (next !== undefined) await this.enter(next);
    }

    private lose(message: string): void {
        this.know(this.state.sessions.filter((id) => id !== sessionId(this.state)));
        kept.session = undefined;
        kept.execution = undefined;
        this.dispatch({ type: 'sessionLost', message });
    }

    async restart(): Promise<void> {
        await this.session?.restart();
        this.dispatch({ type: 'restarted' });
        await this.refresh();
    }

    saveAfterRuns(wanted: boolean): void {
        kept.automatic = wanted;
        this.dispatch({ type: 'automatic', automatic: wanted });
    }

    /** Reads again what a run may have changed without saying so. */
    async refresh(): Promise<void> {
        const { session } = this;
        if (!session) return;
        const { features } = this.state;
        const same = () => sessionId(this.state) === session.id;
        const quietly = async <T>(wanted: boolean, ask: () => Promise<T>, use: (answer: T) => void) => {
            if (!wanted) return;
            const answer = await ask().catch(() => undefined);
            if (answer !== undefined && same()) use(answer);
        };
        await Promise.all([
            quietly(features.variables, () => session.variables.list(), ({ variables }) => this.dispatch({ type: 'variables', variables: variables ?? {} })),
            quietly(features.checkpoints, () => session.listCheckpoints(), (checkpoints) => this.dispatch({ type: 'checkpoints', checkpoints })),
            quietly(true, () => session.get(), (info) => this.dispatch({ type: 'sessionInfo', info })),
        ]);
    }

    /** What has been installed into the session, under the names it is imported by. */
    async readModules(): Promise<void> {
        const { session } = this;
        if (!session || !this.state.features.packages) return;
        const answer = await session.getPackages().catch(() => undefined);
        const modules = answer?.packages.flatMap((one) => (one.preinstalled ? [] : (one.modules ?? []))) ?? [];
        if (sessionId(this.state) === session.id) this.dispatch({ type: 'modules', modules });
    }

    /* Runs */

    async run(code: string, { echo, timeout }: RunOptions = {}): Promise<void> {
        if (isBusy(this.state) || code.trim() === '') return;
        const key = ++this.keys;
        this.dispatch({ type: 'runRequested', key, at: Date.now(), keep: echo !== undefined, ...(echo === undefined ? {} : { echo }) });
        const start = (id: string) => this.client.stream({ code, sessionId: id, ...(timeout === undefined ? {} : { timeout }) }, { onAbort: 'detach' });
        await this.follow(key, async () => {
            const id = await this.open();
            await this.saving;
            await saveStart(this);
            try {
                await this.carry(key, start(id));
            } catch (error) {
                // The session has ended meanwhile, and so nothing has run: in a new one it can.
                if (!isGone(error) || this.state.run.executionId !== undefined) throw error;
                this.lose('The session has ended; this is a new one.');
                await this.carry(key, start(await this.open()));
            }
        });
        await this.settle();
    }

    /** Takes up a run that this tab began before the page was loaded again. */
    private async watch(executionId: string): Promise<void> {
        const key = ++this.keys;
        this.dispatch({ type: 'runRequested', key, at: Date.now(), keep: false });
        try {
            await this.carry(key, this.client.watch(executionId, { onAbort: 'detach' }));
        } catch (error) {
            kept.execution = undefined;
            this.dispatch({ type: 'runBroken', key, message: isGone(error) ? '' : say(error) });
        }
        await this.settle();
    }

    /** After a run. */
    private async settle(): Promise<void> {
        this.saving = saveAfterRun(this);
        await this.saving;
        await this.refresh();
    }

    private async follow(key: number, work: () => Promise<void>): Promise<void> {
        try {
            await work();
        } catch (error) {
            this.dispatch({ type: 'runBroken', key, message: say(error) });
        }
    }

    private async carry(key: number, stream: EventStream): Promise<void> {
        await pump(stream, (events) => {
            if (key === this.keys && stream.executionId !== undefined) kept.execution = stream.executionId;
            this.dispatch({ type: 'events', key, events, at: Date.now() });
        });
    }

    async interrupt(): Promise<void> {
        this.dispatch({ type: 'stopRequested' });
        const { executionId } = this.state.run;
        await (executionId === undefined ? this.session?.interrupt() : this.client.cancelExecution(executionId));
    }

    async answer(text: string): Promise<void> {
        const { executionId } = this.state.run;
        if (executionId === undefined) return;
        await this.client.sendInput(executionId, text);
        this.dispatch({ type: 'answered', text });
    }

    async sample(): Promise<void> {
        const { session } = this;
        if (!session) return;
        const stats = await session.stats().catch((error: unknown) => {
            const ended = isGone(error) && !isBusy(this.state) && sessionId(this.state) === session.id;
            if (ended) this.lose('The session has ended; the next run begins a new one.');
        });
        if (!stats || sessionId(this.state) !== session.id) return;
        const { resourceUsage: usage } = stats;
        this.dispatch({ type: 'sampled', sample: { at: Date.now(), cpu: usage.cpu ?? 0, memory: usage.memory ?? 0 } });
    }
}
