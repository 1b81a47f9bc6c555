/** What a terminal would make of one line: coloured pieces. Every sequence that is not about colour or weight is dropped. */

export interface AnsiStyle {
    /** 0..15: a colour of the theme. A string: `rgb(r, g, b)`. */
    readonly fg?: number | string;
    readonly bg?: number | string;
    readonly bold?: boolean;
    readonly dim?: boolean;
    readonly italic?: boolean;
    readonly underline?: boolean;
    readonly inverse?: boolean;
    readonly strike?: boolean;
}

export interface Span {
    readonly text: string;
    readonly style: AnsiStyle;
}

export const PLAIN: AnsiStyle = Object.freeze({});

const ESC = '\x1b';
/** CSI; strings such as titles and links (OSC, DCS, ...), also without their end; two-character sequences; a lone ESC. */
const SEQUENCE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|$)|\[[0-?]*[ -/]*$|[ -/]*[0-~]?)/g;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

export function hasEscape(text: string): boolean {
    return text.includes(ESC);
}

/** The text alone. */
export function stripAnsi(text: string): string {
    return (hasEscape(text) ? text.replace(SEQUENCE, '') : text).replace(CONTROL, '');
}

const STEPS = [0, 95, 135, 175, 215, 255];

function indexed(n: number): number | string | undefined {
    if (!(n >= 0 && n <= 255)) return undefined;
    if (n < 16) return n;
    if (n >= 232) return `rgb(${8 + (n - 232) * 10}, ${8 + (n - 232) * 10}, ${8 + (n - 232) * 10})`;
    const cube = n - 16;
    return `rgb(${STEPS[Math.floor(cube / 36)]}, ${STEPS[Math.floor(cube / 6) % 6]}, ${STEPS[cube % 6]})`;
}

const byte = (n: number | undefined): number => Math.min(255, Math.max(0, Math.trunc(n ?? 0) || 0));

/** The colour after 38 or 48, and how many parameters it took. */
function extended(codes: number[], at: number): { colour: number | string | undefined; used: number } {
    if (codes[at + 1] === 5) return { colour: indexed(codes[at + 2] ?? -1), used: 2 };
    if (codes[at + 1] !== 2) return { colour: undefined, used: 1 };
    return { colour: `rgb(${byte(codes[at + 2])}, ${byte(codes[at + 3])}, ${byte(codes[at + 4])})`, used: 4 };
}

const FLAGS: Record<number, Partial<AnsiStyle>> = {
    1: { bold: true },
    2: { dim: true },
    3: { italic: true },
    4: { underline: true },
    7: { inverse: true },
    9: { strike: true },
    22: { bold: false, dim: false },
    23: { italic: false },
    24: { underline: false },
    27: { inverse: false },
    29: { strike: false },
    39: { fg: undefined } as Partial<AnsiStyle>,
    49: { bg: undefined } as Partial<AnsiStyle>,
};

function select(style: AnsiStyle, parameters: string): AnsiStyle {
    const codes = parameters.split(/[;:]/).map(Number);
    let next: AnsiStyle = style;
    for (let i = 0; i < codes.length; i++) {
        const code = codes[i]!;
        if (code === 0) next = PLAIN;
        else if (code === 38 || code === 48) {
            const { colour, used } = extended(codes, i);
            i += used;
            if (colour !== undefined) next = code === 38 ? { ...next, fg: colour } : { ...next, bg: colour };
        } else if (code >= 30 && code <= 37) next = { ...next, fg: code - 30 };
        else if (code >= 40 && code <= 47) next = { ...next, bg: code - 40 };
        else if (code >= 90 && code <= 97) next = { ...next, fg: code - 82 };
        else if (code >= 100 && code <= 107) next = { ...next, bg: code - 92 };
        else if (FLAGS[code]) next = { ...next, ...FLAGS[code] };
    }
    return next;
}

/** The pieces of a line that begins in `start`, and the style it ends in. */
export function parseAnsi(text: string, start: AnsiStyle = PLAIN): { spans: Span[]; end: AnsiStyle } {
    if (!hasEscape(text)) return { spans: [{ text: text.replace(CONTROL, ''), style: start }], end: start };
    const spans: Span[] = [];
    let style = start;
    let from = 0;
    const add = (until: number) => {
        const piece = text.slice(from, until).replace(CONTROL, '');
        if (piece !== '') spans.push({ text: piece, style });
    };
    for (const match of text.matchAll(SEQUENCE)) {
        add(match.index);
        from = match.index + match[0].length;
        if (match[2] === 'm' && !/[<-?]/.test(match[1]!)) style = select(style, match[1]!);
    }
    add(text.length);
    return { spans, end: style };
}
