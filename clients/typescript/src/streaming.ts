/**
 * Helpers for events that come through a callback, with the names of PENNY's client. Also importable as
 * `@penny/sandbox-client/streaming`.
 */

import { AbortedError } from './errors.js';
import type { StreamBuffer, StreamEvent, StreamOptions } from './event-types.js';
import { setOwn } from './own.js';
import type { EventCallback } from './penny-types.js';
import { SseParser } from './sse.js';
import type { NamedVariableData, PlotData } from './value-types.js';

/* Colours and cursor movement (CSI), titles and links (OSC), and the two-character escapes. */
const ANSI = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])/g;

function emptyBuffer(): StreamBuffer {
    return { stdout: [], stderr: [], plots: [], variables: {} };
}

function trim(list: unknown[], size: number): void {
    if (list.length > size) list.splice(0, list.length - size);
}

/** Keeps the newest pieces of a stream and tells subscribers of every event. */
export class StreamManager {
    private readonly callbacks = new Map<string, Set<EventCallback>>();
    private readonly options: Required<StreamOptions>;
    private buffer = emptyBuffer();

    constructor(options: StreamOptions = {}) {
        this.options = { includeStdout: true, includeStderr: true, includePlots: true, includeVariables: true, bufferSize: 1000, ...options };
    }

    on(event: string, callback: EventCallback): void {
        const known = this.callbacks.get(event) ?? new Set();
        this.callbacks.set(event, known.add(callback));
    }

    off(event: string, callback: EventCallback): void {
        this.callbacks.get(event)?.delete(callback);
    }

    emit(event: string, data: any): void {
        const told = { type: event as any, timestamp: new Date().toISOString(), data };
        for (const callback of [...(this.callbacks.get(event) ?? [])]) callback(told);
    }

    handleStreamEvent(event: StreamEvent): void {
        if (this.keep(event)) this.emit(event.type, event.data);
    }

    private keep(event: StreamEvent): boolean {
        const { includeStdout, includeStderr, includePlots, includeVariables, bufferSize } = this.options;
        if (event.type === 'stdout') return includeStdout && this.push(this.buffer.stdout, event.data, bufferSize);
        if (event.type === 'stderr') return includeStderr && this.push(this.buffer.stderr, event.data, bufferSize);
        if (event.type === 'plot') return includePlots && this.push(this.buffer.plots, event.data, bufferSize);
        if (event.type !== 'variable') return true;
        if (includeVariables) setOwn(this.buffer.variables, event.data.name, event.data);
        return includeVariables;
    }

    private push<T>(list: T[], item: T, size: number): true {
        list.push(item);
        trim(list, size);
        return true;
    }

    getBuffer(): StreamBuffer {
        const { stdout, stderr, plots, variables } = this.buffer;
        return { stdout: [...stdout], stderr: [...stderr], plots: [...plots], variables: { ...variables } };
    }

    getStdout(): string {
        return this.buffer.stdout.join('');
    }

    getStderr(): string {
        return this.buffer.stderr.join('');
    }

    clearBuffer(): void {
        this.buffer = emptyBuffer();
    }

    /** The lines that are not empty, without terminal escapes. */
    processOutput(output: string): string[] {
        return output
            .replace(ANSI, '')
            .split(/\r?\n/)
            .filter((line) => line !== '');
    }

    trackVariableChanges(oldVars: Record<string, any>, newVars: Record<string, any>): { added: string[]; modified: string[]; removed: string[] } {
        const has = (variables: Record<string, any>, name: string) => Object.prototype.hasOwnProperty.call(variables, name);
        const differs = (name: string) => JSON.stringify(newVars[name]) !== JSON.stringify(oldVars[name]);
        const names = Object.keys(newVars);
        return {
            added: names.filter((name) => !has(oldVars, name)),
            modified: names.filter((name) => has(oldVars, name) && differs(name)),
            removed: Object.keys(oldVars).filter((name) => !has(newVars, name)),
        };
    }
}

/** One run, with a callback for each kind of event. */
export class ExecutionStream {
    private readonly manager: StreamManager;
    private controller: AbortController | undefined;

    constructor(options?: StreamOptions) {
        this.manager = new StreamManager(options);
    }

    onStdout(callback: (data: string) => void): void {
        this.manager.on('stdout', (event) => callback(event.data));
    }

    onStderr(callback: (data: string) => void): void {
        this.manager.on('stderr', (event) => callback(event.data));
    }

    onPlot(callback: (plot: any) => void): void {
        this.manager.on('plot', (event) => callback(event.data));
    }

    onVariable(callback: (variable: any) => void): void {
        this.manager.on('variable', (event) => callback(event.data));
    }

    onError(callback: (error: any) => void): void {
        this.manager.on('error', (event) => callback(event.data));
    }

    onComplete(callback: (result: any) => void): void {
        this.manager.on('complete', (event) => callback(event.data));
    }

    /**
     * `run` gets what to call with each event, and a signal to hand on, so that abort() reaches the run:
     * `stream.start((onEvent, signal) => client.executeStream(request, onEvent, { signal }))`.
     */
    async start<T = any>(run: (onEvent: (event: StreamEvent) => void, signal: AbortSignal) => Promise<T>): Promise<T> {
        if (this.controller) throw new Error('Stream is already active');
        const controller = new AbortController();
        this.controller = controller;
        try {
            return await run((event) => {
                if (!controller.signal.aborted) this.manager.handleStreamEvent(event);
            }, controller.signal);
        } finally {
            this.controller = undefined;
        }
    }

    abort(): void {
        this.controller?.abort(new AbortedError(undefined));
    }

    isRunning(): boolean {
        return this.controller !== undefined;
    }

    getOutput(): string {
        return this.manager.getStdout();
    }

    getErrors(): string {
        return this.manager.getStderr();
    }

    getPlots(): PlotData[] {
        return this.manager.getBuffer().plots;
    }

    getVariables(): Record<string, NamedVariableData> {
        return this.manager.getBuffer().variables;
    }

    clear(): void {
        this.manager.clearBuffer();
    }
}

export function createStreamProcessor(options?: StreamOptions): StreamManager {
    return new StreamManager(options);
}

/** The event in a `data:` line or in a whole block of lines; null when there is none. */
export function parseServerSentEvent(data: string): StreamEvent | null {
    const [message] = new SseParser().push(new TextEncoder().encode(`${data}\n\n`));
    try {
        return message ? JSON.parse(message.data) : null;
    } catch {
        return null;
    }
}

export function formatStreamOutput(buffer: StreamBuffer): string {
    const sections: string[] = [];
    if (buffer.stdout.length > 0) sections.push('=== Output ===', buffer.stdout.join(''));
    if (buffer.stderr.length > 0) sections.push('=== Errors ===', buffer.stderr.join(''));
    const variables = Object.entries(buffer.variables);
    if (variables.length > 0) sections.push(`=== Variables (${variables.length}) ===`, ...variables.map(([name, data]) => `${name}: ${data.type}`));
    if (buffer.plots.length > 0) sections.push(`=== Plots (${buffer.plots.length}) ===`);
    buffer.plots.forEach((plot, i) => sections.push(`Plot ${i + 1}: ${plot.format} (${plot.metadata?.title || 'untitled'})`));
    return sections.join('\n');
}

/** Everything of a stream, without a limit. */
export class OutputCollector {
    private buffer = emptyBuffer();

    collect(event: StreamEvent): void {
        if (event.type === 'stdout') this.buffer.stdout.push(event.data);
        else if (event.type === 'stderr') this.buffer.stderr.push(event.data);
        else if (event.type === 'plot') this.buffer.plots.push(event.data);
        else if (event.type === 'variable') setOwn(this.buffer.variables, event.data.name, event.data);
    }

    getStdout(): string {
        return this.buffer.stdout.join('');
    }

    getStderr(): string {
        return this.buffer.stderr.join('');
    }

    getPlots(): PlotData[] {
        return [...this.buffer.plots];
    }

    getVariables(): Record<string, NamedVariableData> {
        return { ...this.buffer.variables };
    }

    clear(): void {
        this.buffer = emptyBuffer();
    }

    isEmpty(): boolean {
        const { stdout, stderr, plots, variables } = this.buffer;
        return stdout.length + stderr.length + plots.length + Object.keys(variables).length === 0;
    }
}

export default { StreamManager, ExecutionStream, createStreamProcessor, parseServerSentEvent, formatStreamOutput, OutputCollector };
