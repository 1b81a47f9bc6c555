/**
 * The output as rows. A log is a value: appending gives a new one that shares all but its last chunk with the old one, so that a
 * million rows cost as much to append to as ten. A row is one line, or a part of a very long one; a block (a plot, a table) takes
 * several rows, so that every row has the same height.
 */

import type { MimeBundle, PlotData } from '@penny/sandbox-client';
import { PLAIN, hasEscape, parseAnsi, stripAnsi, type AnsiStyle } from './ansi';
import { overwrite } from './overwrite';

export type TextKind = 'stdout' | 'stderr' | 'result' | 'error' | 'input' | 'code' | 'note';

export interface TextRow {
    readonly type: 'text';
    readonly kind: TextKind;
    readonly text: string;
    /** The style in which the row begins. */
    readonly style: AnsiStyle;
    /** It goes on the line of the row before it. */
    readonly joined: boolean;
}

export type Block =
    | { readonly type: 'plot'; readonly plot: PlotData; readonly index: number }
    | { readonly type: 'result'; readonly bundle: MimeBundle; readonly displayId?: string | undefined };

export interface BlockRow {
    readonly type: 'block';
    readonly block: Block;
    readonly height: number;
}

/** A row that a block above it covers. */
export interface CoveredRow {
    readonly type: 'covered';
    readonly back: number;
}

export type Row = TextRow | BlockRow | CoveredRow;

export interface OutputLog {
    readonly chunks: readonly (readonly Row[])[];
    readonly length: number;
    /** The last row has no newline yet. */
    readonly open: boolean;
    /** Counts the logs that began empty, so that a reader knows a continued one from a new one. */
    readonly epoch: number;
}

export const CHUNK = 1024;
/** Characters of one row. */
export const ROW_LIMIT = 4096;

let epochs = 0;

export function emptyLog(): OutputLog {
    return { chunks: [], length: 0, open: false, epoch: ++epochs };
}

export function rowAt(log: OutputLog, index: number): Row | undefined {
    return log.chunks[Math.floor(index / CHUNK)]?.[index % CHUNK];
}

/** The row's text as it is to be shown: an open one may hold a carriage return. */
export function shownText(row: TextRow): string {
    return row.text.includes('\r') ? overwrite(row.text, false) : row.text;
}

/** The same log with `rows` in place of what comes after its first `keep` rows. */
function replaceTail(log: OutputLog, keep: number, rows: Row[], open: boolean): OutputLog {
    const whole = Math.floor(keep / CHUNK);
    const chunks = log.chunks.slice(0, whole);
    let tail = (log.chunks[whole] ?? []).slice(0, keep % CHUNK);
    for (const row of rows) {
        if (tail.length === CHUNK) {
            chunks.push(tail);
            tail = [];
        }
        tail.push(row);
    }
    if (tail.length > 0) chunks.push(tail);
    return { ...log, chunks, length: keep + rows.length, open };
}

const endStyle = (row: TextRow): AnsiStyle => (hasEscape(row.text) ? parseAnsi(row.text, row.style).end : row.style);

/** Where to cut: not inside a character, not inside an escape sequence. */
function cutAt(text: string): number {
    let at = ROW_LIMIT;
    const escape = text.lastIndexOf('\x1b', at);
    if (escape > at - 32) at = escape;
    const code = text.charCodeAt(at - 1);
    return code >= 0xd800 && code <= 0xdbff ? at - 1 : at;
}

function pushLine(rows: Row[], line: TextRow): AnsiStyle {
    let row = line;
    while (row.text.length > ROW_LIMIT) {
        const at = cutAt(row.text);
        const head = { ...row, text: row.text.slice(0, at) };
        rows.push(head);
        row = { ...row, text: row.text.slice(at), style: endStyle(head), joined: true };
    }
    rows.push(row);
    return endStyle(row);
}

export function appendText(log: OutputLog, kind: TextKind, text: string): OutputLog {
    if (text === '') return log;
    const last = log.open ? rowAt(log, log.length - 1) : undefined;
    const before = last?.type === 'text' && last.kind === kind ? last : undefined;
    const rows: Row[] = [];
    let style = before?.style ?? previousStyle(log, kind);
    const lines = text.split('\n');
    const ends = lines.length - 1;
    lines.forEach((piece, i) => {
        if (i === ends && piece === '') return;
        const joined = i === 0 ? (before?.joined ?? false) : false;
        const raw = i === 0 && before ? before.text + piece : piece;
        style = pushLine(rows, { type: 'text', kind, text: overwrite(raw, i === ends), style, joined });
    });
    return replaceTail(log, log.length - (before ? 1 : 0), rows, lines[ends] !== '');
}

/** Colours go on from line to line, within one kind of text. */
function previousStyle(log: OutputLog, kind: TextKind): AnsiStyle {
    const row = rowAt(log, log.length - 1);
    return row?.type === 'text' && row.kind === kind ? endStyle(row) : PLAIN;
}

export function appendBlock(log: OutputLog, block: Block, height: number): OutputLog {
    const rows: Row[] = [{ type: 'block', block, height }];
    for (let back = 1; back < height; back++) rows.push({ type: 'covered', back });
    return replaceTail(log, log.length, rows, false);
}

/** Changes what a display with this id shows. */
export function updateBlock(log: OutputLog, displayId: string, bundle: MimeBundle): OutputLog {
    const matches = (row: Row) => row.type === 'block' && row.block.type === 'result' && row.block.displayId === displayId;
    const change = (row: Row): Row => (matches(row) ? { ...(row as BlockRow), block: { type: 'result', bundle, displayId } } : row);
    return { ...log, chunks: log.chunks.map((chunk) => (chunk.some(matches) ? chunk.map(change) : chunk)) };
}

function blockText(block: Block): string {
    if (block.type === 'plot') return `[plot ${block.index + 1}${block.plot.metadata?.title ? `: ${block.plot.metadata.title}` : ''}]`;
    return block.bundle.data['text/plain'] ?? `[${Object.keys(block.bundle.data).join(', ')}]`;
}

/** Everything as plain text, long lines whole again. */
export function logText(log: OutputLog): string {
    const lines: string[] = [];
    for (const row of log.chunks.flat()) {
        if (row.type === 'covered') continue;
        const text = row.type === 'text' ? stripAnsi(shownText(row)) : blockText(row.block);
        if (row.type === 'text' && row.joined && lines.length > 0) lines[lines.length - 1] += text;
        else lines.push(text);
    }
    return lines.length === 0 ? '' : lines.join('\n') + (log.open ? '' : '\n');
}
