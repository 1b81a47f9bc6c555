/** One session, by its id: everything that can be done with it. Makes no request by itself. */

import type { RequestOptions } from './config.js';
import type { ExecutionRequest, ExecutionResult, StartedExecution } from './execution-types.js';
import { Executions, consume, type OnEvent } from './executions.js';
import { Files } from './files.js';
import { Packages, type InstallOptions } from './packages.js';
import { Race, type OnRaceEvent } from './race.js';
import type { InstalledPackages, SessionPackages, UninstalledPackages } from './service-types.js';
import type {
    Accepted,
    Acknowledgement,
    Checkpoint,
    PlotList,
    RaceOptions,
    RaceResult,
    RolledBack,
    Session,
    SessionStats,
} from './session-types.js';
import type { EventStream, ExecuteStreamOptions } from './stream.js';
import { segment, type Transport } from './transport.js';
import { Variables } from './variables.js';

/** A run in a known session. */
export type SessionRequest = Omit<ExecutionRequest, 'sessionId'>;

function request(given: string | SessionRequest, sessionId: string): ExecutionRequest {
    return { ...(typeof given === 'string' ? { code: given } : given), sessionId };
}

export class SandboxSession {
    readonly variables: Variables;
    readonly files: Files;
    private readonly path: string;
    private readonly executions: Executions;
    private readonly packages: Packages;

    constructor(
        private readonly transport: Transport,
        readonly id: string,
    ) {
        this.path = `/api/v1/sessions/${segment(id)}`;
        this.executions = new Executions(transport);
        this.packages = new Packages(transport);
        this.variables = new Variables(transport, this.path);
        this.files = new Files(transport, this.path);
    }

    private fetch<T>(below = '', options?: RequestOptions): Promise<T> {
        return this.transport.json({ method: 'GET', path: this.path + below, options });
    }

    private post<T>(below: string, json: unknown, options?: RequestOptions, timeout?: number): Promise<T> {
        const patience = timeout === undefined ? {} : { timeout };
        return this.transport.json({ method: 'POST', path: this.path + below, json, options, ...patience });
    }

    get(options?: RequestOptions): Promise<Session> {
        return this.fetch('', options);
    }

    stats(options?: RequestOptions): Promise<SessionStats> {
        return this.fetch('/stats', options);
    }

    update(change: { metadata?: Record<string, any>; variables?: Record<string, any> }, options?: RequestOptions): Promise<Session> {
        return this.transport.json({ method: 'PATCH', path: this.path, json: change, options });
    }

    delete(options?: RequestOptions): Promise<Acknowledgement> {
        return this.transport.json({ method: 'DELETE', path: this.path, options });
    }

    /* Runs: the code alone, or a request. */

    execute(run: string | SessionRequest, options?: RequestOptions): Promise<ExecutionResult> {
        return this.executions.execute(request(run, this.id), options);
    }

    async executeStream(run: string | SessionRequest, onEvent?: OnEvent, options?: ExecuteStreamOptions): Promise<ExecutionResult> {
        return consume(this.stream(run, options), onEvent);
    }

    stream(run: string | SessionRequest, options?: ExecuteStreamOptions): EventStream {
        return this.executions.stream(request(run, this.id), options);
    }

    start(run: string | SessionRequest, options?: RequestOptions): Promise<StartedExecution> {
        return this.executions.start(request(run, this.id), options);
    }

    /** KeyboardInterrupt in what is running; the state is kept. */
    interrupt(options?: RequestOptions): Promise<Accepted> {
        return this.post('/interrupt', {}, options);
    }

    /** A fresh interpreter under the same id; the files stay. */
    restart(options?: RequestOptions): Promise<Accepted> {
        return this.post('/restart', {}, options);
    }

    /* Copies and saved states. */

    /** Live copies of the interpreter, as new sessions. */
    async fork(count = 1, options?: RequestOptions): Promise<Session[]> {
        const { sessions } = await this.post<{ sessions: Session[] }>('/fork', { count }, options);
        return sessions;
    }

    /** Each candidate runs in a copy of the present state, in parallel. */
    race(race: RaceOptions, options?: RequestOptions): Promise<RaceResult> {
        const { timeout: patience } = this.transport.config;
        const limit = patience === 0 ? 0 : patience + (race.timeout ?? 30000) * Math.max(1, race.candidates.length);
        return this.post('/race', { keep: 'firstOk', ...race }, options, limit);
    }

    /** The same, with each candidate's events as they come. When `signal` fires, onEvent throws or the connection breaks, the race is interrupted. */
    raceStream(race: RaceOptions, onEvent?: OnRaceEvent, options?: RequestOptions): Promise<RaceResult> {
        const json = { keep: 'firstOk', onDisconnect: 'interrupt', ...race };
        const call = { method: 'POST', path: `${this.path}/race`, json, headers: { Accept: 'text/event-stream' }, options } as const;
        return new Race(this.transport, this.id, call, race).run(onEvent, options);
    }

    createCheckpoint(name?: string, options?: RequestOptions): Promise<Checkpoint> {
        return this.post('/checkpoints', name === undefined ? {} : { name }, options);
    }

    async listCheckpoints(options?: RequestOptions): Promise<Checkpoint[]> {
        const { checkpoints } = await this.fetch<{ checkpoints: Checkpoint[] }>('/checkpoints', options);
        return checkpoints;
    }

    deleteCheckpoint(checkpointId: string, options?: RequestOptions): Promise<Acknowledgement> {
        return this.transport.json({ method: 'DELETE', path: `${this.path}/checkpoints/${segment(checkpointId)}`, options });
    }

    /** To this checkpoint, or to the newest. */
    rollback(checkpointId?: string, options?: RequestOptions): Promise<RolledBack> {
        return this.post('/rollback', checkpointId === undefined ? {} : { checkpointId }, options);
    }

    /* Plots, packages, and taking the session elsewhere. */

    listPlots(options?: RequestOptions): Promise<PlotList> {
        return this.fetch('/plots', options);
    }

    /** The image itself. */
    getPlot(plotId: string, options?: RequestOptions): Promise<Uint8Array> {
        return this.transport.bytes({ method: 'GET', path: `${this.path}/plots/${segment(plotId)}`, options });
    }

    installPackages(packages: string[], options?: InstallOptions): Promise<InstalledPackages> {
        return this.packages.install(this.id, packages, options);
    }

    uninstallPackages(packages: string[], options?: RequestOptions): Promise<UninstalledPackages> {
        return this.packages.uninstall(this.id, packages, options);
    }

    getPackages(options?: RequestOptions): Promise<SessionPackages> {
        return this.packages.installed(this.id, options);
    }

    /** Variables, files and history, for importSession elsewhere or later. */
    export(options?: RequestOptions): Promise<Uint8Array> {
        return this.transport.bytes({ method: 'GET', path: `${this.path}/export`, options });
    }

    /** The session's history as an .ipynb document. */
    notebook(options?: RequestOptions): Promise<any> {
        return this.fetch('/notebook', options);
    }
}
