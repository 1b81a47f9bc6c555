import { describe, expect, it } from 'vitest';
import { parseAnsi, stripAnsi } from '../src/state/ansi';

const texts = (line: string) => parseAnsi(line).spans.map((span) => span.text);

describe('parseAnsi', () => {
    it('gives a plain line as one piece', () => {
        expect(parseAnsi('hello')).toEqual({ spans: [{ text: 'hello', style: {} }], end: {} });
    });

    it('knows the 16 colours, the 256 and the rest', () => {
        const { spans } = parseAnsi('\x1b[31ma\x1b[92mb\x1b[38;5;196mc\x1b[48;5;232md\x1b[38;2;1;2;300me');
        expect(spans.map((span) => span.style)).toEqual([
            { fg: 1 },
            { fg: 10 },
            { fg: 'rgb(255, 0, 0)' },
            { fg: 'rgb(255, 0, 0)', bg: 'rgb(8, 8, 8)' },
            { fg: 'rgb(1, 2, 255)', bg: 'rgb(8, 8, 8)' },
        ]);
    });

    it('sets and takes back each property', () => {
        const { spans, end } = parseAnsi('\x1b[1;3;4ma\x1b[22;23;24mb\x1b[0mc');
        expect(spans[0]!.style).toEqual({ bold: true, italic: true, underline: true });
        expect(spans[1]!.style).toMatchObject({ bold: false, italic: false, underline: false });
        expect(spans[2]!.style).toEqual({});
        expect(end).toEqual({});
    });

    it('begins in the style of the line before', () => {
        const { end } = parseAnsi('\x1b[33mstays');
        expect(parseAnsi('yellow', end).spans[0]!.style).toEqual({ fg: 3 });
    });

    it.each([
        ['cursor movement', 'a\x1b[2Ab\x1b[10;10Hc', ['a', 'b', 'c']],
        ['clearing', '\x1b[2J\x1b[Kx', ['x']],
        ['a title', '\x1b]0;evil title\x07x', ['x']],
        ['a link', '\x1b]8;;https://evil.example\x1b\\text\x1b]8;;\x1b\\', ['text']],
        ['a device string', '\x1bPq#0;2;0;0;0\x1b\\x', ['x']],
        ['a string without an end', 'x\x1b]0;for ever', ['x']],
        ['a sequence without an end', 'x\x1b[38;5', ['x']],
        ['an escape alone', 'x\x1b', ['x']],
        ['private modes', '\x1b[?1049h\x1b[>0mx', ['x']],
        ['nonsense numbers', '\x1b[999;;999999999999mx', ['x']],
    ])('drops %s', (_name, line, expected) => {
        expect(texts(line)).toEqual(expected);
    });

    it('drops control characters, with and without colours', () => {
        expect(texts('a\x00\x07b\x7fc\x9b')).toEqual(['abc']);
        expect(texts('\x1b[1ma\x08b')).toEqual(['ab']);
        expect(stripAnsi('\x1b[31mred\x1b[0m\x07')).toBe('red');
    });

    it('keeps tabs', () => expect(texts('a\tb')).toEqual(['a\tb']));
});
