/** A part of the editor's text as a program whose line numbers are the editor's. */

function indentOf(line: string): string {
    return /^[ \t]*/.exec(line)![0];
}

function commonIndent(lines: string[]): string {
    let common: string | undefined;
    for (const line of lines) {
        if (line.trim() === '') continue;
        const indent = indentOf(line);
        if (common === undefined) common = indent;
        while (!indent.startsWith(common)) common = common.slice(0, -1);
    }
    return common ?? '';
}

/** `firstLine` counts from 1. The selection is made of whole lines. */
export function selectionProgram(lines: string[], firstLine: number): string {
    const indent = commonIndent(lines);
    const program = lines.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()));
    return '\n'.repeat(firstLine - 1) + program.join('\n');
}
