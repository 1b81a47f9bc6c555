/** One Monaco editor in one element, told by its React component what to be. */

import type { Mark } from '../../state/model';
import type { CodeEditorProps } from '../CodeEditor';
import { createHandle, selectedLines, type CodeEditorHandle } from './handle';
import { lineDecoration, showMarks } from './marking';
import { monaco } from './monaco';
import { registerSuggestions, setNames } from './suggestions';

export interface MountedEditor {
    readonly handle: CodeEditorHandle;
    setValue(value: string): void;
    update(props: CodeEditorProps): void;
    setMarks(marks: readonly Mark[]): void;
    setRunMark(mark: Mark | undefined): void;
    dispose(): void;
}

type Editor = ReturnType<typeof monaco.editor.create>;

function options(props: CodeEditorProps) {
    return {
        theme: `penny-${props.theme ?? 'light'}`,
        readOnly: props.readOnly ?? false,
        lineNumbers: props.showLineNumbers === false ? ('off' as const) : ('on' as const),
        wordWrap: props.wordWrap === false ? ('off' as const) : ('on' as const),
        fontSize: props.fontSize ?? 14,
        minimap: { enabled: props.minimap ?? false },
        ariaLabel: props.label ?? 'Python code',
    };
}

const FIXED = {
    automaticLayout: true,
    fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    scrollBeyondLastLine: false,
    padding: { top: 10, bottom: 10 },
    tabSize: 4,
    insertSpaces: true,
    renderLineHighlight: 'line',
    lineNumbersMinChars: 3,
    glyphMargin: false,
    folding: true,
    fixedOverflowWidgets: true,
    wordBasedSuggestions: 'currentDocument',
    acceptSuggestionOnEnter: 'smart',
    quickSuggestions: { other: true, comments: false, strings: true },
    scrollbar: { verticalScrollbarSize: 10, horizontalScrollbarSize: 10, alwaysConsumeMouseWheel: false },
    overviewRulerBorder: false,
} as const;

function addKeys(editor: Editor, props: () => CodeEditorProps): void {
    const { KeyMod, KeyCode } = monaco;
    const run = () => props().onRun?.(editor.getValue());
    const runSelection = () => {
        const selected = selectedLines(editor);
        const line = editor.getPosition()?.lineNumber ?? 1;
        const { lines, first } = selected ?? { lines: [editor.getModel()?.getLineContent(line) ?? ''], first: line };
        props().onRunSelection?.(lines, first);
    };
    editor.addCommand(KeyMod.CtrlCmd | KeyCode.Enter, run);
    editor.addCommand(KeyCode.F5, run);
    editor.addCommand(KeyMod.CtrlCmd | KeyMod.Shift | KeyCode.Enter, runSelection);
    editor.addCommand(KeyMod.CtrlCmd | KeyCode.KeyS, () => props().onSave?.(editor.getValue()));
}

export function mountEditor(place: HTMLElement, props: () => CodeEditorProps): MountedEditor {
    const given = props();
    const model = monaco.editor.createModel(given.value, given.language ?? 'python');
    const editor = monaco.editor.create(place, { ...FIXED, ...options(given), model });
    const runLine = editor.createDecorationsCollection();
    registerSuggestions(monaco);
    setNames(model, () => props().names?.() ?? {});
    addKeys(editor, props);
    // React gives back what was typed, a moment later: by then more may have been typed, which must not be undone.
    const typed: string[] = [];
    let quiet = false;
    model.onDidChangeContent(() => {
        if (quiet) return;
        typed.push(model.getValue());
        props().onChange?.(model.getValue());
    });
    return {
        handle: createHandle(monaco, editor),
        setValue(value) {
            const known = typed.lastIndexOf(value);
            typed.splice(0, known + 1);
            if (known >= 0 || value === model.getValue()) return;
            typed.length = 0;
            quiet = true;
            model.setValue(value);
            quiet = false;
        },
        update: (next) => editor.updateOptions(options(next)),
        setMarks: (marks) => showMarks(monaco, model, 'validate', marks),
        setRunMark(mark) {
            showMarks(monaco, model, 'run', mark ? [mark] : []);
            runLine.set(mark ? [lineDecoration(monaco, Math.min(Math.max(1, mark.line), model.getLineCount()), 'error')] : []);
            if (mark) editor.revealLineInCenterIfOutsideViewport(mark.line);
        },
        dispose() {
            editor.dispose();
            model.dispose();
        },
    };
}
