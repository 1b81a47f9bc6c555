/** What the editor offers: the session's names, what a subscript may be, and Python's own words. */

import type { VariableData } from '@penny/sandbox-client';
import { previewText, shapeText } from './variables';

export interface Entry {
    readonly label: string;
    readonly kind: 'variable' | 'keyword' | 'function' | 'field';
    readonly detail?: string;
    readonly documentation?: string;
}

const KEYWORDS = ('False None True and as assert async await break class continue def del elif else except finally for from global if import in is ' +
    'lambda nonlocal not or pass raise return try while with yield match case').split(' ');

const FUNCTIONS = ('abs all any ascii bin bool bytearray bytes callable chr complex dict dir display divmod enumerate filter float format frozenset ' +
    'getattr hasattr hash hex id input int isinstance issubclass iter len list map max min next object oct open ord pow print range repr reversed ' +
    'round set setattr slice sorted str sum super tuple type vars zip').split(' ');

const WORDS: Entry[] = [
    ...KEYWORDS.map((label): Entry => ({ label, kind: 'keyword' })),
    ...FUNCTIONS.map((label): Entry => ({ label, kind: 'function', detail: 'built-in' })),
];

function variableEntry([name, data]: [string, VariableData]): Entry {
    const shape = shapeText(data);
    return { label: name, kind: 'variable', detail: shape === '' ? data.type : `${data.type} ${shape}`, documentation: previewText(data) };
}

const SUBSCRIPT = /([A-Za-z_]\w*)\[\s*(['"])[^'"\]]*$/;
const MEMBER = /[\w)\]'"]\s*\.\s*\w*$/;

function keysOf(data: VariableData | undefined): string[] {
    if (!data) return [];
    if (Array.isArray(data.columns)) return data.columns.map(String);
    if (data.type !== 'dict') return [];
    if (Array.isArray(data.keys)) return data.keys.map(String);
    return Object.keys((data.value ?? data.preview ?? {}) as object);
}

/** `before`: the line up to the cursor. */
export function complete(variables: Readonly<Record<string, VariableData>>, before: string): Entry[] {
    const subscript = SUBSCRIPT.exec(before);
    if (subscript) return keysOf(Object.hasOwn(variables, subscript[1]!) ? variables[subscript[1]!] : undefined).map((label) => ({ label, kind: 'field', detail: subscript[1]! }));
    if (MEMBER.test(before)) return [];
    return [...Object.entries(variables).map(variableEntry), ...WORDS];
}
