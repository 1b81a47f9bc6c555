/** One row of text. What the program printed becomes text nodes, never markup. */

import { memo, type CSSProperties } from 'react';
import { parseAnsi, type AnsiStyle } from '../../state/ansi';
import { shownText, type TextRow } from '../../state/log';
import { splitHits } from '../../state/search';

function colours(style: AnsiStyle): { fg: AnsiStyle['fg']; bg: AnsiStyle['bg'] } {
    return style.inverse ? { fg: style.bg ?? 'var(--output-bg)', bg: style.fg ?? 'var(--output-fg)' } : { fg: style.fg, bg: style.bg };
}

const colour = (value: number | string): string => (typeof value === 'number' ? `var(--ansi-${value})` : value);

export function spanStyle(style: AnsiStyle): CSSProperties | undefined {
    const { fg, bg } = colours(style);
    const css: CSSProperties = {};
    if (fg !== undefined) css.color = colour(fg);
    if (bg !== undefined) css.backgroundColor = colour(bg);
    if (style.bold) css.fontWeight = 650;
    if (style.dim) css.opacity = 0.65;
    if (style.italic) css.fontStyle = 'italic';
    const lines = [style.underline && 'underline', style.strike && 'line-through'].filter(Boolean);
    if (lines.length > 0) css.textDecoration = lines.join(' ');
    return Object.keys(css).length > 0 ? css : undefined;
}

function Marked({ text, query }: { text: string; query: string }) {
    if (query === '') return <>{text}</>;
    return <>{splitHits(text, query).map((piece, i) => (i % 2 === 1 ? <mark key={i}>{piece}</mark> : piece))}</>;
}

interface Props {
    row: TextRow;
    query: string;
    current: boolean;
}

export const LogRow = memo(function LogRow({ row, query, current }: Props) {
    const { spans } = parseAnsi(shownText(row), row.style);
    return (
        <div className={`log-row log-${row.kind}${current ? ' log-current' : ''}`} data-joined={row.joined || undefined}>
            {spans.map(({ text, style }, i) => (
                <span key={i} style={spanStyle(style)}>
                    <Marked text={text} query={query} />
                </span>
            ))}
        </div>
    );
});
