/** A run of code: what is asked for and what comes back. */

import type { MimeBundle, PlotData, VariableData } from './value-types.js';

export interface CodeExecutionOptions {
    /** ms; the service's default is 30,000. */
    timeout?: number;
    /** bytes */
    maxMemory?: number;
    /** percent of one core */
    maxCpu?: number;
    allowNetworking?: boolean;
    packages?: string[];
    /** Set in Python before the run. */
    variables?: Record<string, any>;
}

export interface InlineFile {
    content: string;
    encoding?: 'utf-8' | 'base64';
}

export interface ExecutionRequest extends CodeExecutionOptions {
    code: string;
    /** Without it the run gets a new session, whose id is in the result. */
    sessionId?: string;
    /** Written to the workspace before the run, by name. */
    files?: Record<string, InlineFile>;
    /** For this run only. */
    envVars?: Record<string, string>;
    /** Answers input() and sys.stdin. */
    stdin?: string;
    /** What happens to the run when its last watcher leaves. The default is `continue`, which is also what resuming needs. */
    onDisconnect?: 'continue' | 'interrupt';
    /** Any failure takes the session back to its state before the run. */
    transactional?: boolean;
    includeVariables?: boolean;
    /** false: a busy session answers 409 (ConflictError) instead of queueing the run. */
    queue?: boolean;
}

export type ExecutionStatus = 'ok' | 'error' | 'timeout' | 'memory' | 'interrupted' | 'killed' | 'rejected' | 'lost';
/** What an execution that may still be going on says. */
export type ExecutionState = 'queued' | 'running' | 'inputRequired' | ExecutionStatus;
/** What became of the session's variables. */
export type StateOutcome = 'kept' | 'rolledBack' | 'lost';

export interface ExecutionMetrics {
    /** ms */
    executionTime: number;
    /** bytes */
    memoryUsage: number;
    memoryPeak?: number;
    /** percent */
    cpuUsage: number;
    /** ms */
    cpuUser?: number;
    cpuSystem?: number;
    cpuTime?: number;
    /** ms spent waiting for the runs before it */
    queued?: number;
    /** bytes of output */
    bytesOut?: number;
    networkIO?: { bytesIn: number; bytesOut: number };
    diskIO?: { bytesRead: number; bytesWritten: number };
}

export interface ExecutionError {
    type: string;
    message: string;
    traceback: string;
    line?: number;
    column?: number;
    filename?: string;
}

export interface Artifact {
    path: string;
    size: number;
    mime?: string;
}

export interface ExecutionOutput {
    stdout: string;
    stderr: string;
    plots: PlotData[];
    variables: Record<string, VariableData>;
    results?: MimeBundle[];
}

export interface ExecutionResult {
    success: boolean;
    status?: ExecutionStatus;
    sessionId: string;
    executionId: string;
    executionCount?: number;
    output: ExecutionOutput;
    metrics: ExecutionMetrics;
    state?: StateOutcome;
    /** With `rolledBack`: the executionCount whose state is back. */
    restoredTo?: number;
    error?: ExecutionError;
    /** Only where the state after this run can't be kept: a death would lead back to an older one. */
    checkpoint?: { possible: false; reason: string };
    /** Something about this run that one should know. */
    notice?: string;
    artifacts?: Artifact[];
    /** How many more were written. */
    artifactsOmitted?: number;
    /** The output went past the limit and was cut. */
    truncated?: boolean;
    [field: string]: any;
}

/** Answer of startExecution. */
export interface StartedExecution {
    executionId: string;
    sessionId: string;
    status: ExecutionState;
}

export interface ExecutionRecord extends StartedExecution {
    result?: ExecutionResult;
}

/** True once an execution has its one final status. */
export function isFinal(state: ExecutionState): state is ExecutionStatus {
    return state !== 'queued' && state !== 'running' && state !== 'inputRequired';
}
