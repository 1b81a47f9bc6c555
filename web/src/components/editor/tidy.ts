/** Formatting that cannot change what a program does: spaces at line ends, empty lines at the end. */

import type * as Monaco from 'monaco-editor/editor';

/** True for lines that end inside a string which goes on: their spaces belong to it. */
function endsInString(tokens: Monaco.Token[][]): boolean[] {
    return tokens.map((line, i) => {
        const last = line[line.length - 1];
        const next = tokens[i + 1]?.[0];
        return Boolean(last?.type.startsWith('string') && next?.type.startsWith('string'));
    });
}

export function tidy(monaco: typeof Monaco, code: string): string {
    const lines = code.split('\n');
    const inside = endsInString(monaco.editor.tokenize(code, 'python'));
    const trimmed = lines.map((line, i) => (inside[i] ? line : line.replace(/[ \t\r]+$/, '')));
    const text = trimmed.join('\n');
    return inside.some(Boolean) && /['"]{3}\s*$/.test(text) === false && inside[inside.length - 1] ? text : `${text.replace(/\n+$/, '')}\n`;
}
