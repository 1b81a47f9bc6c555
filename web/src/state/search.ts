/** Finding text in the output, continued from the last result when the log has only grown. */

import { stripAnsi } from './ansi';
import { rowAt, shownText, type OutputLog } from './log';

export interface SearchResult {
    readonly query: string;
    /** Indices of rows that hold the query. */
    readonly rows: readonly number[];
    readonly scanned: number;
    readonly epoch: number;
}

export function searchLog(log: OutputLog, query: string, before?: SearchResult): SearchResult {
    const wanted = query.toLowerCase();
    const goesOn = before?.query === query && before.epoch === log.epoch && before.scanned <= log.length;
    // The last row seen may have been open, and may have changed.
    const from = goesOn ? Math.max(0, before.scanned - 1) : 0;
    const rows = goesOn ? before.rows.filter((row) => row < from) : [];
    if (wanted === '') return { query, rows: [], scanned: log.length, epoch: log.epoch };
    for (let i = from; i < log.length; i++) {
        const row = rowAt(log, i);
        if (row?.type === 'text' && stripAnsi(shownText(row)).toLowerCase().includes(wanted)) rows.push(i);
    }
    return { query, rows, scanned: log.length, epoch: log.epoch };
}

/** The pieces of a text, alternately outside and inside a hit. */
export function splitHits(text: string, query: string): string[] {
    const wanted = query.toLowerCase();
    const lower = text.toLowerCase();
    // A few letters change their length in lower case; then places do not match and nothing is marked.
    if (wanted === '' || lower.length !== text.length) return [text];
    const pieces: string[] = [];
    let from = 0;
    for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
        pieces.push(text.slice(from, at), text.slice(at, at + wanted.length));
        from = at + wanted.length;
    }
    pieces.push(text.slice(from));
    return pieces;
}
