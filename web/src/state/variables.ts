/** Variables as rows of a list, and big values as tables. */

import type { VariableData } from '@penny/sandbox-client';

export type SortKey = 'name' | 'type' | 'size' | 'memory';

export interface VariableRow {
    readonly name: string;
    readonly data: VariableData;
    readonly type: string;
    readonly shape: string;
    readonly preview: string;
    /** bytes */
    readonly memory: number | undefined;
    readonly length: number;
}

const PREVIEW_LIMIT = 200;

function cut(text: string): string {
    const line = text.replace(/\s+/g, ' ');
    return line.length > PREVIEW_LIMIT ? `${line.slice(0, PREVIEW_LIMIT)}…` : line;
}

export function shapeText(data: VariableData): string {
    if (Array.isArray(data.shape)) return data.shape.join(' × ');
    return typeof data.length === 'number' ? String(data.length) : '';
}

function asText(value: unknown): string {
    if (typeof value === 'string') return value;
    return JSON.stringify(value) ?? String(value);
}

/** One line that says what the value is. PENNY's order: the preview, the value when it is whole, else whatever there is. */
export function previewText(data: VariableData): string {
    if (data.error) return data.error;
    if (data.type === 'str' && typeof data.value === 'string') return cut(`'${data.value}'`);
    if (data.type === 'NoneType') return 'None';
    if (data.type === 'bool') return data.value ? 'True' : 'False';
    if (Array.isArray(data.columns)) return cut(data.columns.join(', '));
    if (data.preview !== undefined) return cut(asText(data.preview)) + (data.truncated ? ' …' : '');
    if (data.value !== undefined) return cut(asText(data.value));
    if (data.data !== undefined) return cut(asText(data.data));
    if (data.head !== undefined) return `${cut(asText(data.head))} …`;
    if (typeof data.repr === 'string') return cut(data.repr);
    return data.truncated ? 'too large to show' : '';
}

export function toRow(name: string, data: VariableData): VariableRow {
    const memory = data.memory_usage ?? data.size;
    const shaped = Array.isArray(data.shape) ? data.shape.reduce((product, n) => product * n, 1) : data.length;
    return { name, data, type: data.type ?? '?', shape: shapeText(data), preview: previewText(data), memory, length: shaped ?? 0 };
}

const byName = (a: VariableRow, b: VariableRow) => a.name.localeCompare(b.name);

const ORDER: Record<SortKey, (a: VariableRow, b: VariableRow) => number> = {
    name: byName,
    type: (a, b) => a.type.localeCompare(b.type) || byName(a, b),
    size: (a, b) => a.length - b.length || byName(a, b),
    memory: (a, b) => (a.memory ?? 0) - (b.memory ?? 0) || byName(a, b),
};

export function listVariables(variables: Readonly<Record<string, VariableData>>, query: string, sort: SortKey, descending: boolean): VariableRow[] {
    const wanted = query.trim().toLowerCase();
    const rows = Object.entries(variables).map(([name, data]) => toRow(name, data));
    const found = wanted === '' ? rows : rows.filter((row) => `${row.name} ${row.type} ${row.preview}`.toLowerCase().includes(wanted));
    found.sort(ORDER[sort]);
    return descending ? found.reverse() : found;
}

export function groupByType(rows: VariableRow[]): [type: string, rows: VariableRow[]][] {
    const groups = new Map<string, VariableRow[]>();
    for (const row of rows) groups.set(row.type, [...(groups.get(row.type) ?? []), row]);
    return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

/* Editing */

const SCALARS = new Set(['int', 'float', 'str', 'bool']);

export function isEditable(data: VariableData): boolean {
    return SCALARS.has(data.type) && !data.truncated && data.value !== undefined && !data.asText && !data.nonFinite;
}

/** What the text typed for a value of this type means. Throws an Error with a sentence for the reader. */
export function parseScalar(type: string, text: string): string | number | boolean {
    const trimmed = text.trim();
    if (type === 'str') return text;
    if (type === 'bool') {
        if (/^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === 'true';
        throw new Error('True or False');
    }
    const number = Number(trimmed);
    if (trimmed === '' || !Number.isFinite(number)) throw new Error('A number');
    if (type === 'int' && !Number.isSafeInteger(number)) throw new Error('A whole number');
    return number;
}

/* Tables */

export interface TablePart {
    readonly columns: readonly string[];
    readonly index: readonly unknown[];
    readonly rows: readonly (readonly unknown[])[];
    readonly total: number;
    readonly totalColumns: number;
    readonly offset: number;
}

const isRecord = (value: unknown): value is Record<string, unknown> => value !== null && typeof value === 'object' && !Array.isArray(value);

function cells(row: unknown, columns: readonly string[]): unknown[] {
    if (isRecord(row)) return columns.map((name) => row[name]);
    return Array.isArray(row) ? row : [row];
}

function columnsOf(data: VariableData, rows: readonly unknown[]): string[] {
    if (Array.isArray(data.columns)) return data.columns.map(String);
    const first = rows[0];
    if (isRecord(first)) return Object.keys(first);
    if (Array.isArray(first)) return first.map((_, i) => String(i));
    return [data.seriesName ?? 'value'];
}

/** The rows that a description, or a page of a big value, brings along. undefined: it is no table. */
export function tableOf(data: VariableData): TablePart | undefined {
    const given = [data.items, data.rows, data.data, data.head, data.value, data.preview].find(Array.isArray) as unknown[] | undefined;
    if (!given) return undefined;
    const columns = columnsOf(data, given);
    const offset = typeof data.offset === 'number' ? data.offset : 0;
    const total = data.total ?? (Array.isArray(data.shape) ? data.shape[0] : data.length) ?? given.length;
    const labels = Array.isArray(data.index) ? data.index : [];
    const index = given.map((_, i) => (labels.length > i ? labels[i] : offset + i));
    return { columns, index, rows: given.map((row) => cells(row, columns)), total, totalColumns: data.totalColumns ?? columns.length, offset };
}

export function cellText(value: unknown): string {
    if (value === null || value === undefined) return '';
    if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(8)));
    return asText(value);
}
