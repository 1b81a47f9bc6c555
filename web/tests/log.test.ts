import { describe, expect, it } from 'vitest';
import { CHUNK, ROW_LIMIT, appendBlock, appendText, emptyLog, logText, rowAt, updateBlock, type OutputLog } from '../src/state/log';
import { plot, rows } from './make';

const written = (...parts: string[]): OutputLog => parts.reduce((log, part) => appendText(log, 'stdout', part), emptyLog());
const lines = (log: OutputLog) => rows(log).map((row) => row.text);

describe('appendText', () => {
    it('makes a row of each line', () => expect(lines(written('a\nb\n\nc\n'))).toEqual(['a', 'b', '', 'c']));

    it('gives the same rows however the text is cut', () => {
        const text = 'first\r\nsecond \x1b[31mred\x1b[0m\n10%\r20%\rdone\n😀 end\n';
        const whole = written(text);
        for (let i = 1; i < text.length; i++) expect(written(text.slice(0, i), text.slice(i))).toMatchObject({ length: whole.length, open: false });
        const single = written(...text);
        expect(lines(single)).toEqual(lines(whole));
        expect(logText(single)).toBe('first\nsecond red\ndone\n😀 end\n');
    });

    it('continues an open line of the same kind only', () => {
        let log = appendText(emptyLog(), 'stdout', 'out');
        log = appendText(log, 'stderr', 'err');
        log = appendText(log, 'stderr', 'or\n');
        expect(rows(log).map((row) => [row.kind, row.text])).toEqual([['stdout', 'out'], ['stderr', 'error']]);
    });

    it('shows a progress bar as one line', () => {
        const log = written('\r10%', '\r20%', '\r100%', '\n', 'next\n');
        expect(lines(log)).toEqual(['100%', 'next']);
    });

    it('lays a shorter text over a longer one', () => expect(lines(written('abcdef\rxy\n'))).toEqual(['xycdef']));
    it('goes back by backspace', () => expect(lines(written('12\b\b34\n'))).toEqual(['34']));

    it('carries colours from line to line of one kind', () => {
        const log = written('\x1b[31mred\n', 'still\n');
        expect(rows(log)[1]!.style).toEqual({ fg: 1 });
        expect(rows(appendText(log, 'stderr', 'plain\n'))[2]!.style).toEqual({});
    });

    it('cuts a very long line into rows, and not inside a character', () => {
        const line = '😀'.repeat(ROW_LIMIT);
        const log = written('x', line, '\n');
        expect(log.length).toBeGreaterThan(2);
        expect(rows(log).every((row) => row.text.length <= ROW_LIMIT && !/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(row.text))).toBe(true);
        expect(logText(log)).toBe(`x${line}\n`);
    });

    it('does not cut inside an escape sequence', () => {
        const line = 'x'.repeat(ROW_LIMIT - 2) + '\x1b[31mred\x1b[0m';
        expect(logText(written(`${line}\n`))).toBe(`${'x'.repeat(ROW_LIMIT - 2)}red\n`);
    });

    it('shares what was there before', () => {
        const log = written('line\n'.repeat(3 * CHUNK));
        const more = appendText(log, 'stdout', 'one more\n');
        expect(more.length).toBe(3 * CHUNK + 1);
        expect(more.chunks[0]).toBe(log.chunks[0]);
        expect(log.length).toBe(3 * CHUNK);
        expect(rowAt(more, 3 * CHUNK)).toMatchObject({ text: 'one more' });
    });

    it('takes a million lines in a second or two', () => {
        const part = Array.from({ length: 1000 }, (_, i) => `line ${i} of a part\n`).join('');
        const begin = performance.now();
        let log = emptyLog();
        for (let i = 0; i < 1000; i++) log = appendText(log, 'stdout', part);
        expect(log.length).toBe(1_000_000);
        expect(performance.now() - begin).toBeLessThan(5000);
    });
});

describe('blocks', () => {
    it('take their rows between the lines', () => {
        let log = written('before\n');
        log = appendBlock(log, { type: 'plot', plot: plot('p', 'Curve'), index: 0 }, 3);
        log = appendText(log, 'stdout', 'after\n');
        expect(log.length).toBe(5);
        expect(rowAt(log, 3)).toEqual({ type: 'covered', back: 2 });
        expect(logText(log)).toBe('before\n[plot 1: Curve]\nafter\n');
    });

    it('are changed by their display id', () => {
        const log = appendBlock(emptyLog(), { type: 'result', bundle: { data: { 'text/plain': 'old' } }, displayId: 'd' }, 2);
        expect(logText(updateBlock(log, 'd', { data: { 'text/plain': 'new' } }))).toBe('new\n');
        expect(logText(updateBlock(log, 'other', { data: { 'text/plain': 'new' } }))).toBe('old\n');
    });
});
