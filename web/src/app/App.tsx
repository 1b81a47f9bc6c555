/** The page. */

import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { NotFoundError } from '@penny/sandbox-client';
import { kept } from '../api/kept';
import CodeEditor, { type CodeEditorHandle } from '../components/CodeEditor';
import OutputPanel, { type PanelOutput } from '../components/OutputPanel';
import { downloadText } from '../components/ui/download';
import { isBusy } from '../state/model';
import { marksOf } from '../state/marks';
import { selectionProgram } from '../state/selection';
import { EXAMPLES } from './examples';
import { SessionBar } from './SessionBar';
import type { Sandbox } from './sandbox';
import { Split } from './Split';
import { TopBar } from './TopBar';
import { useInspector } from './useInspector';
import { usePanels } from './usePanels';
import { useLiveFigures, useSandboxState } from './useSandbox';
import { useTheme } from './useTheme';

/** Asks the service, until it turns out not to do that. */
function useValidate(sandbox: Sandbox, offered: boolean, modules: readonly string[]) {
    const [answers, setAnswers] = useState(true);
    const validate = useCallback(
        async (code: string, signal: AbortSignal) => {
            try {
                return marksOf(await sandbox.client.validateCode(code, {}, { signal }), modules);
            } catch (error) {
                if (error instanceof NotFoundError) setAnswers(false);
                return [];
            }
        },
        [sandbox, modules],
    );
    return offered && answers ? validate : undefined;
}

export function App({ sandbox }: { sandbox: Sandbox }) {
    const state = useSandboxState(sandbox);
    const [theme, toggleTheme] = useTheme();
    const [code, setCode] = useState(() => kept.code ?? EXAMPLES[0]!.code);
    const [limit, setLimit] = useState(60_000);
    const editor = useRef<CodeEditorHandle>(null);
    const validate = useValidate(sandbox, state.features.validate, state.modules);
    useLiveFigures(sandbox, state);
    useEffect(() => {
        const timer = setTimeout(() => (kept.code = code), 300);
        return () => clearTimeout(timer);
    }, [code]);

    const change = (next: string) => {
        setCode(next);
        sandbox.dispatch({ type: 'markCleared' });
    };
    const run = (program = editor.current?.getValue() ?? code) => void sandbox.run(program, { timeout: limit });
    const runLines = (lines: string[], first: number) => void sandbox.run(selectionProgram(lines, first), { echo: lines.join('\n'), timeout: limit });
    const runSelection = () => {
        const selected = editor.current?.getSelectedLines();
        if (selected) runLines(selected.lines, selected.first);
        else run();
    };
    const save = () => downloadText(code, 'program.py', 'text/x-python');
    const busy = isBusy(state);
    const output = useMemo<PanelOutput>(
        () => ({ stdout: '', stderr: '', log: state.log, plots: state.plots, variables: state.variables, runs: state.history }),
        [state.log, state.plots, state.variables, state.history],
    );
    const inspector = useInspector(sandbox, state);
    const panels = usePanels(sandbox, state, () => code);
    return (
        <div className="app">
            <TopBar
                state={state}
                theme={theme}
                onTheme={toggleTheme}
                onRun={() => run()}
                onRunSelection={runSelection}
                onInterrupt={() => void sandbox.attempt(() => sandbox.interrupt())}
                onExample={change}
                onFormat={() => editor.current?.formatCode()}
                onSave={save}
                limit={limit}
                onLimit={setLimit}
            />
            <Split
                first={
                    <section aria-label="Editor" className="editor-pane">
                        <CodeEditor
                            ref={editor}
                            value={code}
                            onChange={change}
                            theme={theme}
                            height="100%"
                            onRun={run}
                            onRunSelection={runLines}
                            onSave={save}
                            names={() => sandbox.state.variables}
                            mark={state.mark}
                            fontSize={13.5}
                            {...(validate ? { validate } : {})}
                        />
                    </section>
                }
                second={
                    <OutputPanel
                        output={output}
                        isStreaming={busy}
                        maxHeight="100%"
                        onClear={() => sandbox.dispatch({ type: 'outputCleared' })}
                        prompt={state.prompt}
                        onAnswer={(text) => void sandbox.attempt(() => sandbox.answer(text))}
                        inspector={inspector}
                        viewer={{ onPlotDelete: (index) => sandbox.dispatch({ type: 'plotDeleted', index }) }}
                        extraTabs={panels}
                        empty={busy ? 'Running…' : 'Press Run: what the program prints, its plots and its variables appear here.'}
                    />
                }
            />
            <SessionBar sandbox={sandbox} state={state} />
        </div>
    );
}
