/** What the service says about values: variables, plots and rich results. */

export interface VariableData {
    type: string;
    /** Absent when the value is too big or cannot be written as JSON: see `preview`, `repr`, `truncated`. */
    value?: any;
    shape?: number[];
    dtype?: string;
    preview?: any;
    repr?: string;
    size?: number;
    length?: number;
    module?: string;
    memory_usage?: number;
    statistics?: { min: number; max: number; mean: number; std: number };
    head?: any;
    tail?: any;
    columns?: string[];
    index?: any[];
    serializable?: boolean;
    truncated?: boolean;
    error?: string;
    [field: string]: any;
}

/** The data of a `variable` event. */
export interface NamedVariableData extends VariableData {
    name: string;
}

export interface NumPyArrayData extends VariableData {
    type: 'numpy.ndarray';
    dtype: string;
    shape: number[];
    size: number;
}

export interface PandasDataFrameData extends VariableData {
    type: 'pandas.DataFrame';
    /** Rows, columns. */
    shape: [number, number];
    columns: string[];
    dtypes: Record<string, string>;
    index?: any[];
    data?: Record<string, any>[];
    head?: Record<string, any>[];
    tail?: Record<string, any>[];
    describe?: Record<string, any>;
}

export interface PandasSeriesData extends VariableData {
    type: 'pandas.Series';
    name?: string;
    dtype: string;
    length: number;
    data?: any[];
    head?: any[];
    tail?: any[];
    describe?: Record<string, any>;
}

export interface PlotMetadata {
    width: number;
    height: number;
    dpi?: number;
    title?: string;
    xlabel?: string;
    ylabel?: string;
    legend?: boolean;
    figsize?: [number, number];
    backend?: string;
}

export interface PlotData {
    id: string;
    format: 'png' | 'svg' | 'html';
    /** base64. `plotBytes` and `plotDataUrl` decode it. */
    data: string;
    metadata: PlotMetadata;
    timestamp?: string;
}

export interface MatplotlibPlot extends PlotData {
    format: 'png' | 'svg';
}

export interface PlotlyPlot extends PlotData {
    format: 'html';
    metadata: PlotMetadata & { interactive: boolean };
}

/** The value of a last expression, or one display(): the same thing in several forms, by MIME type. */
export interface MimeBundle {
    data: {
        'text/plain'?: string;
        'text/html'?: string;
        'text/latex'?: string;
        'text/markdown'?: string;
        'image/png'?: string;
        'image/jpeg'?: string;
        'image/svg+xml'?: string;
        'application/json'?: unknown;
        'application/vnd.plotly.v1+json'?: unknown;
        [mime: string]: unknown;
    };
    metadata?: Record<string, unknown>;
    /** True for the value of the last expression, false for a display(). */
    isMainResult?: boolean;
    /** Of a display() that has an id. */
    displayId?: string;
    /** It takes the place of what was shown under its displayId. */
    update?: boolean;
    /** clear_output(): what was shown is taken away; with `wait`, only when something new comes. */
    clear?: boolean;
    wait?: boolean;
}

export function isNumPyArrayData(data: VariableData): data is NumPyArrayData {
    return data.type === 'numpy.ndarray';
}

export function isPandasDataFrameData(data: VariableData): data is PandasDataFrameData {
    return data.type === 'pandas.DataFrame';
}

export function isPandasSeriesData(data: VariableData): data is PandasSeriesData {
    return data.type === 'pandas.Series';
}

export function isMatplotlibPlot(plot: PlotData): plot is MatplotlibPlot {
    return plot.format === 'png' || plot.format === 'svg';
}

export function isPlotlyPlot(plot: PlotData): plot is PlotlyPlot {
    return plot.format === 'html';
}

const PLOT_MIME = { png: 'image/png', svg: 'image/svg+xml', html: 'text/html' } as const;

export function plotMimeType(plot: PlotData): string {
    return PLOT_MIME[plot.format];
}

/** The image itself. */
export function plotBytes(plot: PlotData): Uint8Array {
    const binary = atob(plot.data);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
}

/** For `<img src>`. An html plot is a page: show it only in a sandboxed frame. */
export function plotDataUrl(plot: PlotData): string {
    return `data:${plotMimeType(plot)};base64,${plot.data}`;
}
