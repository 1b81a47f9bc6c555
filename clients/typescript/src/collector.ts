/**
 * The whole result of a streamed run. A `complete` event has room for the beginning of the output only; the rest came in the
 * events before it, and is put together here.
 */

import type { StreamEvent } from './event-types.js';
import type { ExecutionOutput, ExecutionResult } from './execution-types.js';
import { setOwn } from './own.js';
import type { MimeBundle, PlotData, VariableData } from './value-types.js';

function longer<T extends { length: number }>(collected: T, told: T | undefined): T {
    return told !== undefined && told.length > collected.length ? told : collected;
}

/** A complete event lists the plots without their data, which came in their own events. */
function joinPlots(collected: PlotData[], told: PlotData[] | undefined): PlotData[] {
    const known = new Map(collected.map((plot) => [plot.id, plot]));
    return longer(collected, told).map((plot) => known.get(plot.id) ?? plot);
}

export class Collector {
    private stdout: string[] = [];
    private stderr: string[] = [];
    private plots: PlotData[] = [];
    private results: MimeBundle[] = [];
    private variables: Record<string, VariableData> = {};
    private incomplete = false;

    /** `fromStart` false: the events before the first one seen are not known. */
    constructor(private readonly fromStart = true) {}

    collect(event: StreamEvent): void {
        if (event.type === 'stdout') this.stdout.push(event.data);
        else if (event.type === 'stderr') this.stderr.push(event.data);
        else if (event.type === 'plot') this.plots.push(event.data);
        else if (event.type === 'result') this.results.push(event.data);
        else if (event.type === 'variable') this.addVariable(event.data);
        else if (event.type === 'truncated') this.incomplete = true;
        else if (event.type === 'gap') this.onGap(event.data.reason === 'unknown');
    }

    private addVariable({ name, ...data }: VariableData & { name: string }): void {
        setOwn<VariableData>(this.variables, name, data);
    }

    private onGap(fromTheBeginning: boolean): void {
        if (fromTheBeginning) {
            this.stdout = [];
            this.stderr = [];
            this.plots = [];
            this.results = [];
        }
        this.incomplete = true;
    }

    finish(result: ExecutionResult): ExecutionResult {
        const whole: ExecutionResult = { ...result, output: this.output(result.output ?? {}) };
        if (this.fromStart && !this.incomplete) delete whole.truncated;
        else if (this.incomplete) whole.truncated = true;
        return whole;
    }

    private output(told: Partial<ExecutionOutput>): ExecutionOutput {
        return {
            ...told,
            stdout: longer(this.stdout.join(''), told.stdout),
            stderr: longer(this.stderr.join(''), told.stderr),
            plots: joinPlots(this.plots, told.plots),
            variables: { ...told.variables, ...this.variables },
            results: longer(this.results, told.results),
        };
    }
}
