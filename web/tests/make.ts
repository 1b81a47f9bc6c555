/** Events and values as the service sends them. */

import type { ExecutionResult, PlotData, StreamEvent } from '@penny/sandbox-client';
import type { Action } from '../src/state/actions';
import { logText, rowAt, type OutputLog, type TextRow } from '../src/state/log';
import { initialState, type SandboxState } from '../src/state/model';
import { reduce } from '../src/state/reducer';

export const AT = 1_000_000;

export function event(type: StreamEvent['type'], data: unknown): StreamEvent {
    return { type, data, timestamp: '2026-01-01T00:00:00.000Z', executionId: 'e1', sessionId: 's1', id: 'a-1' } as StreamEvent;
}

export function result(fields: Partial<ExecutionResult> = {}): ExecutionResult {
    return {
        success: true,
        status: 'ok',
        state: 'kept',
        sessionId: 's1',
        executionId: 'e1',
        executionCount: 1,
        output: { stdout: '', stderr: '', plots: [], variables: {} },
        metrics: { executionTime: 12, memoryUsage: 4096, cpuUsage: 3, cpuUser: 5, cpuSystem: 1, memoryPeak: 2e6, bytesOut: 10 },
        ...fields,
    };
}

export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export function plot(id: string, title = ''): PlotData {
    return { id, format: 'png', data: PNG, metadata: { width: 1, height: 1, ...(title ? { title } : {}) } };
}

export function after(actions: readonly Action[], from: SandboxState = initialState()): SandboxState {
    return actions.reduce(reduce, from);
}

/** A state in which a run has begun and these events have come. */
export function running(...events: StreamEvent[]): SandboxState {
    return after([
        { type: 'sessionOpened', id: 's1' },
        { type: 'runRequested', key: 1, at: AT, keep: false },
        { type: 'events', key: 1, events: [event('start', { executionCount: 1 }), ...events], at: AT + 5 },
    ]);
}

export function rows(log: OutputLog): TextRow[] {
    return Array.from({ length: log.length }, (_, i) => rowAt(log, i)).filter((row): row is TextRow => row?.type === 'text');
}

export { logText };
