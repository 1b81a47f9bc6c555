import { act, render } from '@testing-library/react';
import { createRef } from 'react';
import { describe, expect, it, vi } from 'vitest';
import type { CodeEditorHandle, CodeEditorProps } from '../src/components/CodeEditor';
import { VALIDATION_DELAY_MS } from '../src/components/editor/useValidation';

const mounted = vi.hoisted(() => ({ props: undefined as (() => CodeEditorProps) | undefined, setMarks: vi.fn(), setRunMark: vi.fn(), setValue: vi.fn(), update: vi.fn(), dispose: vi.fn() }));

// Monaco needs a browser; what it does there is tested in one.
vi.mock('../src/components/editor/mount', () => ({
    mountEditor: (_place: HTMLElement, props: () => CodeEditorProps) => {
        mounted.props = props;
        return { handle: { getValue: () => props().value }, ...mounted };
    },
}));
const { default: CodeEditor } = await import('../src/components/CodeEditor');

async function show(props: CodeEditorProps, ref = createRef<CodeEditorHandle>()) {
    const view = render(<CodeEditor ref={ref} {...props} />);
    const plain = view.container.querySelector('pre')?.textContent;
    await act(async () => void (await vi.dynamicImportSettled()));
    return { ...view, plain, ref };
}

describe('CodeEditor', () => {
    it('shows the code before the editor is there, then mounts it with the defaults of its props', async () => {
        const { plain, ref, container, unmount } = await show({ value: 'x = 1' });
        expect(plain).toBe('x = 1');
        expect(container.querySelector('.code-editor')!.getAttribute('data-ready')).toBe('true');
        expect(mounted.props!()).toMatchObject({ language: 'python', theme: 'light', height: '400px', width: '100%', showLineNumbers: true, wordWrap: true, fontSize: 14, minimap: false, readOnly: false });
        expect(ref.current!.getValue()).toBe('x = 1');
        unmount();
        expect(mounted.dispose).toHaveBeenCalled();
    });

    it('passes on the mark of the last run', async () => {
        const mark = { line: 2, message: 'bad', severity: 'error' as const };
        await show({ value: 'x', mark });
        expect(mounted.setRunMark).toHaveBeenLastCalledWith(mark);
    });

    it('asks for marks after a pause, and drops an answer to older code', async () => {
        vi.useFakeTimers();
        const answers: ((marks: []) => void)[] = [];
        const validate = vi.fn((_code: string, _signal: AbortSignal) => new Promise<[]>((resolve) => answers.push(resolve)));
        const { rerender } = await show({ value: 'a', validate });
        expect(validate).not.toHaveBeenCalled();
        await act(() => vi.advanceTimersByTimeAsync(VALIDATION_DELAY_MS));
        expect(validate).toHaveBeenCalledWith('a', expect.anything());
        rerender(<CodeEditor value="ab" validate={validate} />);
        const before = mounted.setMarks.mock.calls.length;
        await act(async () => answers[0]!([]));
        expect(mounted.setMarks.mock.calls.length).toBe(before);
        expect(validate.mock.calls[0]![1].aborted).toBe(true);
        await act(() => vi.advanceTimersByTimeAsync(VALIDATION_DELAY_MS));
        await act(async () => answers[1]!([]));
        expect(mounted.setMarks.mock.calls.length).toBe(before + 1);
        vi.useRealTimers();
    });
});
