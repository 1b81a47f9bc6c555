/** The events of a run. `event.type` tells which one it is, and with it the type of `event.data`. */

import type { ExecutionResult } from './execution-types.js';
import type { MimeBundle, NamedVariableData, PlotData } from './value-types.js';

interface EventOf<Type extends string, Data> {
    type: Type;
    data: Data;
    /** ISO 8601 */
    timestamp: string;
    executionId?: string;
    sessionId?: string;
    /** The event's place in the run: `watch(executionId, { after: id })` goes on behind it. */
    id?: string;
}

export interface InputRequest {
    prompt: string;
    /** The program called getpass: do not show what is typed. */
    password: boolean;
}

export interface StartData {
    executionCount?: number;
    [field: string]: any;
}

export interface TruncatedData {
    /** limit: the output limit of the run. storage: the service could not keep the output. */
    reason: 'limit' | 'storage';
    message: string;
    /** bytes */
    limit?: number;
    [field: string]: any;
}

export interface GapData {
    /** Events after this number and before `next` are not there. */
    after: number;
    next: number;
    /** dropped: they are gone. unknown: the point asked for is not one of this run, so everything there is follows. */
    reason: 'dropped' | 'unknown';
    [field: string]: any;
}

export type StartEvent = EventOf<'start', StartData>;
export type StdoutEvent = EventOf<'stdout', string>;
export type StderrEvent = EventOf<'stderr', string>;
export type PlotEvent = EventOf<'plot', PlotData>;
export type ResultEvent = EventOf<'result', MimeBundle>;
export type VariableEvent = EventOf<'variable', NamedVariableData>;
export type InputRequestEvent = EventOf<'inputRequest', InputRequest>;
/** The output limit is reached; later text is counted and dropped. */
export type TruncatedEvent = EventOf<'truncated', TruncatedData>;
/** The service no longer has the events between the point asked for and the next one. */
export type GapEvent = EventOf<'gap', GapData>;
export type CompleteEvent = EventOf<'complete', ExecutionResult>;
/** The service failed, not the program: that is a `complete` with success false. */
export type ErrorEvent = EventOf<'error', { error: string; message: string }>;

export type StreamEvent =
    | StartEvent
    | StdoutEvent
    | StderrEvent
    | PlotEvent
    | ResultEvent
    | VariableEvent
    | InputRequestEvent
    | TruncatedEvent
    | GapEvent
    | CompleteEvent
    | ErrorEvent;

export type StreamEventType = StreamEvent['type'];

export interface StreamOptions {
    includeStdout?: boolean;
    includeStderr?: boolean;
    includePlots?: boolean;
    includeVariables?: boolean;
    /** The newest so many pieces are kept. 1000 by default. */
    bufferSize?: number;
}

export interface StreamBuffer {
    stdout: string[];
    stderr: string[];
    plots: PlotData[];
    variables: Record<string, NamedVariableData>;
}
