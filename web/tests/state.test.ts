import { describe, expect, it } from 'vitest';
import { complete } from '../src/state/completion';
import { NO_FEATURES, featuresOf } from '../src/state/features';
import { formatBytes, formatMs } from '../src/state/format';
import { appendText, emptyLog } from '../src/state/log';
import { marksOf } from '../src/state/marks';
import { chooseForm, rowsOf } from '../src/state/result';
import { searchLog, splitHits } from '../src/state/search';
import { selectionProgram } from '../src/state/selection';
import { cellText, isEditable, listVariables, parseScalar, previewText, tableOf } from '../src/state/variables';

describe('features', () => {
    it('are what the description of the server has, under any parameter names', () => {
        const paths = { '/api/v1/sessions/{sessionId}/fork': { post: {} }, '/api/v1/sessions/{id}/variables/{name}': { get: {}, delete: {} }, '/api/v1/validate/': { post: {} } };
        expect(featuresOf({ paths })).toMatchObject({ fork: true, variablePages: true, variableDelete: true, validate: true, checkpoints: false, files: false });
    });

    it.each([undefined, null, 7, 'x', {}, { paths: null }, { paths: { '/x': null } }])('are none for %j', (document) => {
        expect(featuresOf(document)).toEqual(NO_FEATURES);
    });
});

describe('search', () => {
    const log = appendText(emptyLog(), 'stdout', 'Alpha\nbeta \x1b[31mALPHA\x1b[0m\ngamma\n');

    it('finds rows, without regard to case or colour', () => expect(searchLog(log, 'alpha').rows).toEqual([0, 1]));

    it('goes on where it was when the log grows', () => {
        const before = searchLog(log, 'alpha');
        const grown = appendText(log, 'stdout', 'alp');
        const between = searchLog(grown, 'alpha', before);
        expect(between.rows).toEqual([0, 1]);
        expect(searchLog(appendText(grown, 'stdout', 'ha\n'), 'alpha', between).rows).toEqual([0, 1, 3]);
        expect(searchLog(emptyLog(), 'alpha', between).rows).toEqual([]);
    });

    it('splits a text at its hits', () => {
        expect(splitHits('xAbxab', 'ab')).toEqual(['x', 'Ab', 'x', 'ab', '']);
        expect(splitHits('abc', '')).toEqual(['abc']);
        expect(splitHits('İstanbul', 'ist')).toEqual(['İstanbul']);
    });
});

describe('a selection', () => {
    it('runs with the line numbers of the editor', () => expect(selectionProgram(['a = 1', 'b = 2'], 3)).toBe('\n\na = 1\nb = 2'));
    it('may be indented', () => expect(selectionProgram(['    if x:', '', '        y()'], 1)).toBe('if x:\n\n    y()'));
    it('may begin deeper than it goes on', () => expect(selectionProgram(['        y()', '    z()'], 1)).toBe('    y()\nz()'));
});

describe('variables', () => {
    const variables = {
        b: { type: 'int', value: 3, size: 28 },
        a: { type: 'list', value: [1, 2], length: 2, size: 72 },
        df: { type: 'pandas.DataFrame', shape: [5000, 2], columns: ['x', 'y'], memory_usage: 80000, head: [{ x: 1, y: null }], index: [0, 1], truncated: true },
    };

    it('are searched and sorted', () => {
        const names = (query: string, sort: 'name' | 'type' | 'size' | 'memory', down = false) => listVariables(variables, query, sort, down).map((row) => row.name);
        expect(names('', 'name')).toEqual(['a', 'b', 'df']);
        expect(names('', 'memory', true)).toEqual(['df', 'a', 'b']);
        expect(names('', 'size', true)).toEqual(['df', 'a', 'b']);
        expect(names('frame', 'name')).toEqual(['df']);
    });

    it.each([
        [{ type: 'str', value: 'a\nb' }, "'a b'"],
        [{ type: 'NoneType', value: null }, 'None'],
        [{ type: 'bool', value: false }, 'False'],
        [{ type: 'numpy.ndarray', preview: [1, 2], truncated: true }, '[1,2] …'],
        [{ type: 'X', repr: '<X>' }, '<X>'],
        [{ type: 'X', error: 'describing it failed' }, 'describing it failed'],
        [{ type: 'X' }, ''],
    ])('say in a line what %j is', (data, text) => expect(previewText(data)).toBe(text));

    it('are tables where they are big', () => {
        expect(tableOf(variables.df)).toEqual({ columns: ['x', 'y'], index: [0], rows: [[1, null]], total: 5000, totalColumns: 2, offset: 0 });
        expect(tableOf({ type: 'numpy.ndarray', offset: 10, total: 30, items: [[1, 2], [3, 4]] })).toEqual({ columns: ['0', '1'], index: [10, 11], rows: [[1, 2], [3, 4]], total: 30, totalColumns: 2, offset: 10 });
        expect(tableOf({ type: 'int', value: 3 })).toBeUndefined();
        expect(cellText(0.1 + 0.2)).toBe('0.3');
    });

    it('are edited when they are scalars', () => {
        expect(isEditable({ type: 'int', value: 3 })).toBe(true);
        expect(isEditable({ type: 'int', value: '99999999999999999999', asText: true })).toBe(false);
        expect(isEditable(variables.df)).toBe(false);
        expect(parseScalar('int', ' 7 ')).toBe(7);
        expect(parseScalar('bool', 'true')).toBe(true);
        expect(parseScalar('str', ' 7 ')).toBe(' 7 ');
        expect(() => parseScalar('int', '1.5')).toThrow('whole');
        expect(() => parseScalar('float', '')).toThrow('number');
        expect(() => parseScalar('bool', 'yes')).toThrow('True or False');
    });
});

describe('completion', () => {
    const variables = { frame: { type: 'pandas.DataFrame', shape: [3, 1], columns: ['price'] }, d: { type: 'dict', value: { key: 1 } } };
    const labels = (before: string) => complete(variables, before).map((entry) => entry.label);

    it('offers the names of the session and the words of Python', () => expect(labels('x = f')).toEqual(expect.arrayContaining(['frame', 'for', 'float'])));
    it('offers columns and keys in a subscript', () => {
        expect(labels('frame["')).toEqual(['price']);
        expect(labels("d['k")).toEqual(['key']);
        expect(labels('unknown["')).toEqual([]);
        expect(labels('constructor["')).toEqual([]);
    });
    it('offers nothing it does not know after a dot', () => expect(labels('frame.')).toEqual([]));
});

describe('marks', () => {
    it('are the issues that have a line', () => {
        const issues = [{ type: 'error', severity: 'critical', message: 'invalid syntax', line: 2, column: 5 }, { type: 'warning', severity: 'low', message: 'long', line: 1 }, { type: 'info', severity: 'low', message: 'all of it' }];
        expect(marksOf({ issues } as never)).toEqual([
            { line: 2, column: 5, message: 'invalid syntax', severity: 'error' },
            { line: 1, column: undefined, message: 'long', severity: 'info' },
        ]);
    });

    it('leave out imports of what has been installed into the session', () => {
        const issues = ['humanize', 'humanize.time', 'humanized', 'os'].map((name, i) => ({ type: 'error', severity: 'medium', message: `import ${name} is not allowed (it is not on the list)`, line: i + 1, rule: 'not-allowed' }));
        expect(marksOf({ issues } as never, ['humanize']).map((mark) => mark.line)).toEqual([3, 4]);
    });
});

describe('results', () => {
    it('take the richest form that is safe to show', () => {
        expect(chooseForm({ data: { 'text/plain': 'x', 'image/png': 'AAAA' } })).toEqual({ form: 'image', url: 'data:image/png;base64,AAAA' });
        expect(chooseForm({ data: { 'text/html': '<b>x</b>', 'text/plain': 'x' } })).toEqual({ form: 'html', html: '<b>x</b>' });
        expect(chooseForm({ data: { 'application/json': { a: 1 } } })).toEqual({ form: 'text', text: '{\n  "a": 1\n}' });
        expect(chooseForm({ data: { 'image/png': '"><script>', 'text/plain': 'x' } })).toEqual({ form: 'text', text: 'x' });
    });

    it('take a bounded height', () => {
        expect(rowsOf({ form: 'html', html: '<tr>'.repeat(10_000) })).toBe(22);
        expect(rowsOf({ form: 'html', html: '' })).toBeGreaterThan(1);
    });
});

describe('numbers', () => {
    it('are short', () => {
        expect([formatBytes(0), formatBytes(999), formatBytes(1500), formatBytes(536870912), formatBytes(undefined)]).toEqual(['0 B', '999 B', '1.5 kB', '537 MB', '–']);
        expect([formatMs(1.23), formatMs(250), formatMs(1234), formatMs(61000)]).toEqual(['1.2 ms', '250 ms', '1.23 s', '1 min 1 s']);
    });
});
