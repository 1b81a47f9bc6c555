import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError, SseParser, type SseMessage } from '@penny/sandbox-client';

function parseAll(chunks: Uint8Array[], limit?: number): SseMessage[] {
    const parser = new SseParser(limit);
    return chunks.flatMap((chunk) => parser.push(chunk));
}

function parseText(text: string): SseMessage[] {
    return parseAll([Buffer.from(text)]);
}

const TEXT = [
    ': a comment', 'retry: 250', '',
    'id: a-1', 'event: stdout', 'data: {"text":"na\u00efve \u{1F40D} \u4e2d\u6587"}', '',
    ':', 'data:no space', 'data:  two spaces', 'data', 'data: last', '',
    'event: empty', '', 'id: a-2', '', 'data: after an id alone', '',
    'unknown: field', 'id', 'data', '', 'data: never ended',
];

const EXPECTED: SseMessage[] = [
    { event: 'stdout', data: '{"text":"na\u00efve \u{1F40D} \u4e2d\u6587"}', id: 'a-1' },
    { event: 'message', data: 'no space\n two spaces\n\nlast', id: 'a-1' },
    { event: 'message', data: 'after an id alone', id: 'a-2' },
    { event: 'message', data: '', id: '' },
];

for (const [name, eol] of [['LF', '\n'], ['CR', '\r'], ['CRLF', '\r\n']] as const) {
    for (const bom of ['', '\ufeff']) {
        const bytes = Buffer.from(bom + TEXT.join(eol));
        test(`${name}${bom ? ' after a byte order mark' : ''}: whole, byte by byte, and cut at every byte`, () => {
            assert.deepEqual(parseAll([bytes]), EXPECTED);
            assert.deepEqual(parseAll([...bytes].map((byte) => Uint8Array.of(byte))), EXPECTED);
            for (let at = 0; at <= bytes.length; at++) {
                assert.deepEqual(parseAll([bytes.subarray(0, at), bytes.subarray(at)]), EXPECTED, `cut at ${at}`);
            }
        });
    }
}

test('cut at every pair of bytes', () => {
    const bytes = Buffer.from('\ufeffid: 1\r\ndata: \u{1F40D}\r\ndata: b\r\r\n\ndata: \u00e9\n\n');
    const expected = parseAll([bytes]);
    assert.deepEqual(expected.map((message) => message.data), ['\u{1F40D}\nb', '\u00e9']);
    for (let a = 0; a <= bytes.length; a++) {
        for (let b = a; b <= bytes.length; b++) {
            assert.deepEqual(parseAll([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]), expected, `cut at ${a} and ${b}`);
        }
    }
});

test('mixed line ends: LF CR is two, CRLF is one', () => {
    assert.deepEqual(parseText('data: a\n\rdata: b\r\ndata: c\r\rdata: d\n\n').map((m) => m.data), ['a', 'b\nc', 'd']);
});

test('an id with NUL is ignored, an id without value empties it, retry takes digits only', () => {
    const parser = new SseParser();
    const messages = parser.push(Buffer.from('id: x\ndata: 1\n\nid: y\0z\ndata: 2\n\nid\ndata: 3\n\nretry: 1e3\nretry: 20\nretry: -1\n'));
    assert.deepEqual(messages.map((m) => m.id), ['x', 'x', '']);
    assert.equal(parser.retry, 20);
});

test('bytes that are not UTF-8 become U+FFFD and damage nothing else', () => {
    const bytes = Buffer.concat([Buffer.from('data: a'), Buffer.from([0xff, 0xe4]), Buffer.from('b\n\ndata: c\n\n')]);
    assert.deepEqual(parseAll([bytes]).map((m) => m.data), ['a\ufffd\ufffdb', 'c']);
});

test('a line or an event without end is refused at the limit, long before memory is', () => {
    assert.equal(parseAll([Buffer.from(`data: ${'x'.repeat(90)}\n\n`)], 100).length, 1);
    const parser = new SseParser(100);
    parser.push(Buffer.from(`data: ${'x'.repeat(90)}`));
    assert.throws(() => parser.push(Buffer.from('x'.repeat(20))), ProtocolError);
    const lines = new SseParser(100);
    assert.throws(() => {
        for (let i = 0; i < 20; i++) lines.push(Buffer.from('data: 1234567\n'));
    }, ProtocolError);
    const comments = new SseParser(100);
    for (let i = 0; i < 1000; i++) assert.deepEqual(comments.push(Buffer.from(': 0123456789\n')), []);
});

test('a long line fed in small pieces costs time in proportion to its length', () => {
    const piece = Buffer.from('x'.repeat(1024));
    const time = (pieces: number) => {
        const parser = new SseParser();
        const begin = process.hrtime.bigint();
        parser.push(Buffer.from('data: '));
        for (let i = 0; i < pieces; i++) parser.push(piece);
        const [message] = parser.push(Buffer.from('\n\n'));
        assert.equal(message!.data.length, pieces * 1024);
        return Number(process.hrtime.bigint() - begin);
    };
    const least = (pieces: number) => Math.min(...Array.from({ length: 5 }, () => time(pieces))); // of a busy machine's
    time(2000);
    const small = least(1000);
    const large = least(16000);
    assert.ok(large < small * 16 * 8, `16 times the length took ${(large / small).toFixed(1)} times as long`);
});
