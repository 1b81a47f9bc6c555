/** What the page knows. */

import type { ExecutionResult, PlotData, Session, VariableData } from '@penny/sandbox-client';
import type { Features } from './features';
import { NO_FEATURES } from './features';
import { emptyLog, type OutputLog } from './log';
import { emptyTimeline, type Timeline } from './timeline';

export type SessionState =
    | { readonly phase: 'none' }
    | { readonly phase: 'opening' }
    | { readonly phase: 'ready'; readonly id: string; readonly info: Session | undefined }
    | { readonly phase: 'failed'; readonly message: string };

export type RunPhase = 'idle' | 'starting' | 'running' | 'input' | 'stopping';

export interface RunState {
    readonly phase: RunPhase;
    /** Tells one run's events from an earlier one's. */
    readonly key: number;
    readonly executionId?: string | undefined;
    /** The page's clock. */
    readonly startedAt: number;
}

export interface Prompt {
    readonly prompt: string;
    readonly password: boolean;
}

/** A run that is over, without the output. */
export interface RunSummary {
    readonly key: number;
    readonly at: number;
    readonly status: string;
    readonly success: boolean;
    readonly state?: string | undefined;
    readonly restoredTo?: number | undefined;
    readonly executionCount?: number | undefined;
    readonly metrics: ExecutionResult['metrics'];
    readonly truncated?: boolean | undefined;
    readonly artifacts: NonNullable<ExecutionResult['artifacts']>;
}

/** Something to mark in the editor. Lines and columns count from 1. */
export interface Mark {
    readonly line: number;
    readonly column?: number | undefined;
    readonly message: string;
    readonly severity: 'error' | 'warning' | 'info';
}

export interface Sample {
    readonly at: number;
    /** percent of one core */
    readonly cpu: number;
    /** bytes */
    readonly memory: number;
}

export interface PlotlyFigure {
    readonly id: string;
    readonly figure: unknown;
}

export interface SandboxState {
    readonly session: SessionState;
    /** False while requests do not get through. */
    readonly online: boolean;
    readonly features: Features;
    readonly run: RunState;
    readonly prompt: Prompt | undefined;
    readonly log: OutputLog;
    /** clear_output(wait=True): the next output takes the place of the old. */
    readonly clearPending: boolean;
    readonly plots: readonly PlotData[];
    readonly variables: Readonly<Record<string, VariableData>>;
    /** Names that the last run has made or changed. */
    readonly changed: readonly string[];
    readonly history: readonly RunSummary[];
    readonly mark: Mark | undefined;
    readonly samples: readonly Sample[];
    readonly timeline: Timeline;
    /** The sessions of this tab: that of the page and those it was copied from or to. */
    readonly sessions: readonly string[];
    /** What has been installed into the session can be imported under these names. */
    readonly modules: readonly string[];
    readonly notice: string | undefined;
}

export const HISTORY_KEPT = 50;
export const SAMPLES_KEPT = 60;

export function initialState(): SandboxState {
    return {
        session: { phase: 'none' },
        online: true,
        features: NO_FEATURES,
        run: { phase: 'idle', key: 0, startedAt: 0 },
        prompt: undefined,
        log: emptyLog(),
        clearPending: false,
        plots: [],
        variables: {},
        changed: [],
        history: [],
        mark: undefined,
        samples: [],
        timeline: emptyTimeline(),
        sessions: [],
        modules: [],
        notice: undefined,
    };
}

export const isBusy = (state: SandboxState): boolean => state.run.phase !== 'idle';
export const sessionId = (state: SandboxState): string | undefined => (state.session.phase === 'ready' ? state.session.id : undefined);
export const lastRun = (state: SandboxState): RunSummary | undefined => state.history[state.history.length - 1];
