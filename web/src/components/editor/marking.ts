/** Marks: a wavy line (dots for a mere hint) with a message, and for an error of the last run the whole line as well. */

import type * as Monaco from 'monaco-editor/editor';
import type { Mark } from '../../state/model';

function marker(monaco: typeof Monaco, model: Monaco.editor.ITextModel, mark: Mark): Monaco.editor.IMarkerData {
    const line = Math.min(Math.max(1, mark.line), model.getLineCount());
    const first = model.getLineFirstNonWhitespaceColumn(line) || 1;
    const last = model.getLineMaxColumn(line);
    const start = mark.column !== undefined && mark.column >= 1 && mark.column < last ? mark.column : first;
    const { Error, Warning, Hint } = monaco.MarkerSeverity;
    return {
        startLineNumber: line,
        endLineNumber: line,
        startColumn: start,
        endColumn: Math.max(last, start + 1),
        message: mark.message,
        severity: { error: Error, warning: Warning, info: Hint }[mark.severity],
    };
}

export function showMarks(monaco: typeof Monaco, model: Monaco.editor.ITextModel, owner: string, marks: readonly Mark[]): void {
    monaco.editor.setModelMarkers(model, owner, marks.map((mark) => marker(monaco, model, mark)));
}

export function lineDecoration(monaco: typeof Monaco, line: number, name: 'error' | 'highlight' | 'breakpoint'): Monaco.editor.IModelDeltaDecoration {
    const glyph = name === 'highlight' ? {} : { glyphMarginClassName: `glyph-${name}`, linesDecorationsClassName: `margin-${name}` };
    return { range: new monaco.Range(line, 1, line, 1), options: { isWholeLine: true, className: `line-${name}`, ...glyph } };
}
