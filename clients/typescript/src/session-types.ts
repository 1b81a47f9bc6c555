/** Sessions, their files and their saved states. */

import type { ExecutionResult, InlineFile } from './execution-types.js';
import type { PlotData, VariableData } from './value-types.js';

export type SessionStatus = 'active' | 'idle' | 'terminated';

export interface Session {
    id: string;
    createdAt: string;
    lastActivity: string;
    expiresAt?: string;
    status: SessionStatus;
    /** An execution is running. */
    busy?: boolean;
    variables: Record<string, any>;
    installedPackages: string[];
    resourceUsage: { memory: number; cpu: number; executions: number };
    limits?: Record<string, any>;
    policy?: { profile: string; [field: string]: any };
    /** The level of isolation it got. */
    isolation?: string;
    checkpoints?: CheckpointMode;
    metadata?: Record<string, any>;
    /** The session that this one is a copy of. */
    forkedFrom?: string;
    /** The session and the copies made of it, while there is more than one. */
    family?: { sessions: number; filesShared: boolean; limits: 'sum' | 'one' };
}

/** When the service itself keeps a copy of the interpreter, so that the death of one loses nothing. */
export type CheckpointMode = 'adaptive' | 'always' | 'off';

export interface CheckpointState {
    mode: CheckpointMode;
    /** How many have been saved by name. */
    named: number;
    /** A death now would lose nothing. */
    upToDate: boolean;
    /** What a death now would lead back to; absent: to nothing. */
    executionCount?: number;
    createdAt?: string;
    /** Why the last attempt gave no copy. */
    reason?: string;
}

export interface SessionOptions {
    metadata?: Record<string, any>;
    packages?: string[];
    /** Set in Python before the first run. */
    variables?: Record<string, any>;
    /** Name of a policy profile that the operator allows. */
    policy?: string;
    resources?: Record<string, any>;
    envVars?: Record<string, string>;
    /** ms without activity after which the session ends. */
    idleTimeout?: number;
    checkpoints?: CheckpointMode;
    /** Written to the workspace, by name. */
    files?: Record<string, InlineFile>;
    /** Other names of packages, variables and idleTimeout, as PENNY's types have them. */
    initialPackages?: string[];
    initialVariables?: Record<string, any>;
    timeout?: number;
}

export interface SessionQuery {
    status?: SessionStatus;
    limit?: number;
    offset?: number;
    sortBy?: 'createdAt' | 'lastActivity' | 'executions';
    sortOrder?: 'asc' | 'desc';
}

export interface SessionList {
    sessions: Session[];
    total: number;
    limit: number;
    offset: number;
}

/** Answer of GET /sessions/{id}/stats. */
export interface SessionStats {
    sessionId: string;
    resourceUsage: { memory: number; cpu: number; executions: number; totalExecutionTime: number; [field: string]: any };
    status: SessionStatus;
    /** ms */
    uptime: number;
    lastActivity: string;
    checkpoints?: CheckpointState;
    [field: string]: any;
}

export interface SessionVariables {
    sessionId: string;
    variables: Record<string, any>;
    lastUpdated: string;
    /** A run is going on; this is the state before it. */
    stale?: boolean;
}

export interface UpdatedVariables {
    sessionId: string;
    variables: Record<string, any>;
    updated: string[];
}

/** Some of a big value's items: rows of a DataFrame, elements of a list. */
export interface VariablePage {
    offset: number;
    limit: number;
    /** Items of the whole value. */
    total: number;
    items: any[];
    /** Of a DataFrame: the names of the columns that are sent, how many there are, and the rows' labels. */
    columns?: string[];
    totalColumns?: number;
    index?: any[];
}

/** One variable and a page of it. */
export interface PagedVariable extends VariableData {
    name: string;
    page: VariablePage;
    /** A run is going on; this is the state before it. */
    stale?: boolean;
}

export type ExportFormat = 'json' | 'csv' | 'pickle';

export interface Acknowledgement {
    success: boolean;
    message: string;
}

/** Answer of interrupt, restart, input and cancel: 202. */
export interface Accepted {
    success: boolean;
    message?: string;
}

export interface FileEntry {
    name: string;
    path: string;
    type: 'file' | 'directory' | 'symlink';
    size: number;
    modified: string;
}

export interface FileList {
    path: string;
    entries: FileEntry[];
}

export interface WrittenFile {
    path: string;
    size: number;
}

export interface UploadedFiles {
    files: (WrittenFile & { replaced: boolean })[];
}

/** What a file may be given as. A stream is sent as it comes, and is never sent again. */
export type FileContent = string | Uint8Array | ArrayBuffer | Blob | ReadableStream<Uint8Array>;

export interface Checkpoint {
    id: string;
    name?: string;
    createdAt: string;
    executionCount: number;
    /** bytes that the state can come to cost at most */
    memory?: number;
}

export interface RolledBack {
    checkpointId: string;
    name?: string;
    /** executionCount */
    restoredTo: number;
}

export interface RaceOptions {
    candidates: string[];
    /** firstOk (the default): the state of the first that succeeds becomes the session's. none: every state is discarded. */
    keep?: 'firstOk' | 'none';
    /** ms for each candidate */
    timeout?: number;
    variables?: Record<string, any>;
    envVars?: Record<string, string>;
    stdin?: string;
    includeVariables?: boolean;
    /** false: a busy session answers 409 (ConflictError). */
    queue?: boolean;
}

export interface RaceResult {
    sessionId: string;
    results: ExecutionResult[];
    /** Index of the candidate whose state was kept. */
    winner: number | null;
}

/** A plot that a session keeps, without its image: `getPlot` or `url` has that. */
export interface StoredPlot extends Omit<PlotData, 'data'> {
    executionId: string;
    url: string;
}

export interface PlotList {
    sessionId: string;
    plots: StoredPlot[];
}
