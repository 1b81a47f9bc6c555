/** An editor for Python. Monaco comes in its own file; until it is there, the code is shown and can be read. */

import { forwardRef, useEffect, useImperativeHandle, useRef, useState, type CSSProperties } from 'react';
import type { Mark } from '../state/model';
import type { CodeEditorHandle } from './editor/handle';
import type { NamesSource } from './editor/suggestions';
import type { MountedEditor } from './editor/mount';
import { useValidation, type Validate } from './editor/useValidation';

export type { CodeEditorHandle } from './editor/handle';

export interface CodeEditorProps {
    value: string;
    onChange?: (value: string) => void;
    language?: string;
    theme?: 'light' | 'dark';
    readOnly?: boolean;
    height?: string | number;
    width?: string | number;
    className?: string;
    onSave?: (value: string) => void;
    /** Ctrl/Cmd+Enter and F5. */
    onRun?: (value: string) => void;
    showLineNumbers?: boolean;
    wordWrap?: boolean;
    fontSize?: number;
    minimap?: boolean;
    /** Ctrl/Cmd+Shift+Enter: whole lines, and the number of the first. */
    onRunSelection?: (lines: string[], firstLine: number) => void;
    /** The names to complete. */
    names?: NamesSource;
    /** Where the last run failed. */
    mark?: Mark | undefined;
    /** Asked a moment after each change; undefined as an answer: do not ask again. */
    validate?: Validate;
    label?: string;
}

const DEFAULTS = { language: 'python', theme: 'light', height: '400px', width: '100%', showLineNumbers: true, wordWrap: true, fontSize: 14 } as const;

const CodeEditor = forwardRef<CodeEditorHandle, CodeEditorProps>(function CodeEditor(given, ref) {
    const props = { ...DEFAULTS, readOnly: false, minimap: false, label: 'Python code', ...given };
    const place = useRef<HTMLDivElement>(null);
    const latest = useRef(props);
    latest.current = props;
    const [editor, setEditor] = useState<MountedEditor>();

    useEffect(() => {
        let gone = false;
        let mounted: MountedEditor | undefined;
        void import('./editor/mount').then(({ mountEditor }) => {
            if (gone || !place.current) return;
            mounted = mountEditor(place.current, () => latest.current);
            setEditor(mounted);
        });
        return () => {
            gone = true;
            mounted?.dispose();
        };
    }, []);

    useImperativeHandle(ref, () => editor?.handle ?? plainHandle(latest), [editor]);
    useEffect(() => editor?.setValue(props.value), [editor, props.value]);
    useEffect(() => editor?.update(latest.current), [editor, props.theme, props.readOnly, props.wordWrap, props.fontSize, props.minimap, props.showLineNumbers]);
    useEffect(() => editor?.setRunMark(props.mark), [editor, props.mark]);
    useValidation(props.value, props.validate, (marks) => editor?.setMarks(marks));

    const size: CSSProperties = { height: props.height, width: props.width };
    return (
        <div className={`code-editor ${props.className ?? ''}`} style={size} data-ready={editor ? 'true' : 'false'}>
            <div ref={place} className="code-editor-place" />
            {!editor && <pre className="code-editor-plain" aria-label={props.label}>{props.value}</pre>}
        </div>
    );
});

/** Before Monaco is there. */
function plainHandle(latest: { current: { value: string } }): CodeEditorHandle {
    const nothing = () => undefined;
    return {
        insertText: nothing,
        formatCode: nothing,
        addBreakpoint: nothing,
        highlightLine: nothing,
        clearDecorations: nothing,
        goToLine: nothing,
        getSelectionText: () => '',
        getValue: () => latest.current.value,
        focus: nothing,
        getSelectedLines: nothing,
    };
}

export default CodeEditor;
