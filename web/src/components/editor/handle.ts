/** What a CodeEditor's ref can do. */

import type * as Monaco from 'monaco-editor/editor';
import { lineDecoration } from './marking';
import { tidy } from './tidy';

export interface CodeEditorHandle {
    insertText(text: string): void;
    formatCode(): void;
    addBreakpoint(line: number): void;
    highlightLine(line: number): void;
    clearDecorations(): void;
    goToLine(line: number): void;
    getSelectionText(): string;
    getValue(): string;
    focus(): void;
    /** The whole lines that the selection touches, and the first one's number. undefined: nothing is selected. */
    getSelectedLines(): { lines: string[]; first: number } | undefined;
}

type Editor = Monaco.editor.IStandaloneCodeEditor;

export function selectedLines(editor: Editor): { lines: string[]; first: number } | undefined {
    const selection = editor.getSelection();
    const model = editor.getModel();
    if (!selection || !model || selection.isEmpty()) return undefined;
    const first = selection.startLineNumber;
    const last = selection.endColumn === 1 && selection.endLineNumber > first ? selection.endLineNumber - 1 : selection.endLineNumber;
    return { lines: model.getLinesContent().slice(first - 1, last), first };
}

export function createHandle(monaco: typeof Monaco, editor: Editor): CodeEditorHandle {
    const decorations = editor.createDecorationsCollection();
    const replaceAll = (text: string) => {
        const model = editor.getModel();
        if (model && text !== model.getValue()) editor.executeEdits('format', [{ range: model.getFullModelRange(), text }]);
    };
    return {
        insertText(text) {
            const range = editor.getSelection();
            if (range) editor.executeEdits('insert', [{ range, text, forceMoveMarkers: true }]);
            editor.focus();
        },
        formatCode: () => replaceAll(tidy(monaco, editor.getValue())),
        addBreakpoint: (line) => decorations.append([lineDecoration(monaco, line, 'breakpoint')]),
        highlightLine: (line) => decorations.append([lineDecoration(monaco, line, 'highlight')]),
        clearDecorations: () => decorations.clear(),
        goToLine(line) {
            editor.revealLineInCenter(line);
            editor.setPosition({ lineNumber: line, column: 1 });
            editor.focus();
        },
        getSelectionText: () => editor.getModel()?.getValueInRange(editor.getSelection() ?? new monaco.Range(1, 1, 1, 1)) ?? '',
        getValue: () => editor.getValue(),
        focus: () => editor.focus(),
        getSelectedLines: () => selectedLines(editor),
    };
}
