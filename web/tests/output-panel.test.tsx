import { act, fireEvent, render, screen, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import OutputPanel, { type PanelOutput } from '../src/components/OutputPanel';
import { MAX_HEIGHT, ROW_HEIGHT, scrollFor, viewOf } from '../src/components/output/window';
import { appendText, emptyLog } from '../src/state/log';
import { plot } from './make';

const output = (fields: Partial<PanelOutput> = {}): PanelOutput => ({ stdout: '', stderr: '', plots: [], variables: {}, ...fields });
const rowTexts = () => [...document.querySelectorAll('.log-row')].map((row) => row.textContent);

describe('OutputPanel', () => {
    it("shows PENNY's props: text, counts of variables and plots, the time", () => {
        render(<OutputPanel output={output({ stdout: 'out\n', stderr: 'err\n', plots: [plot('p')], variables: { x: { type: 'int', value: 1 } }, executionTime: 1234 })} />);
        expect(rowTexts()).toEqual(['out', 'err']);
        expect(screen.getAllByRole('tab').map((tab) => tab.textContent)).toEqual(['Output', 'Variables1', 'Plots1', 'Metrics']);
        fireEvent.click(screen.getByRole('tab', { name: 'Metrics' }));
        expect(screen.getByText('1.23 s')).toBeTruthy();
    });

    it('leaves out what it is told to', () => {
        render(<OutputPanel output={output()} showVariables={false} showPlots={false} showMetrics={false} />);
        expect(screen.getAllByRole('tab')).toHaveLength(1);
    });

    it('makes text nodes of what the program prints, and colours of its escapes', () => {
        render(<OutputPanel output={output({ stdout: '<img src=x onerror=alert(1)>\x1b[31mred\x1b]0;title\x07\n' })} />);
        expect(document.querySelector('.log img')).toBeNull();
        expect(rowTexts()).toEqual(['<img src=x onerror=alert(1)>red']);
        expect(screen.getByText('red').style.color).toBe('var(--ansi-1)');
    });

    it('has only the rows in view in the page', () => {
        render(<OutputPanel output={output({ log: appendText(emptyLog(), 'stdout', 'x\n'.repeat(100_000)) })} />);
        expect(rowTexts().length).toBeGreaterThan(0);
        expect(rowTexts().length).toBeLessThan(100);
    });

    it('searches', () => {
        vi.useFakeTimers();
        render(<OutputPanel output={output({ stdout: 'alpha\nbeta\nALPHA\n' })} />);
        fireEvent.click(screen.getByRole('button', { name: 'Search the output' }));
        fireEvent.change(screen.getByRole('searchbox'), { target: { value: 'alpha' } });
        act(() => void vi.advanceTimersByTime(500));
        expect(screen.getByText('1 of 2')).toBeTruthy();
        fireEvent.keyDown(screen.getByRole('searchbox'), { key: 'Enter' });
        expect(screen.getByText('2 of 2')).toBeTruthy();
        expect(document.querySelectorAll('mark')).toHaveLength(2);
        fireEvent.keyDown(screen.getByRole('searchbox'), { key: 'Escape' });
        expect(screen.queryByRole('searchbox')).toBeNull();
        vi.useRealTimers();
    });

    it('asks for input and gives the answer once', () => {
        const onAnswer = vi.fn();
        render(<OutputPanel output={output()} isStreaming prompt={{ prompt: '\x1b[1mPassword: ', password: true }} onAnswer={onAnswer} />);
        const line = screen.getByLabelText('Password:') as HTMLInputElement;
        expect(line.type).toBe('password');
        expect(document.activeElement).toBe(line);
        fireEvent.change(line, { target: { value: 'secret' } });
        fireEvent.submit(line);
        expect(onAnswer.mock.calls).toEqual([['secret']]);
    });

    it('ends the input by Ctrl+D', () => {
        const onAnswer = vi.fn();
        render(<OutputPanel output={output()} prompt={{ prompt: '', password: false }} onAnswer={onAnswer} />);
        fireEvent.keyDown(screen.getByRole('textbox'), { key: 'd', ctrlKey: true });
        expect(onAnswer).toHaveBeenCalledWith('\x04');
    });

    it('clears, and says so when there is nothing', () => {
        const onClear = vi.fn();
        render(<OutputPanel output={output()} onClear={onClear} empty="Nothing yet" />);
        expect(screen.getByText('Nothing yet')).toBeTruthy();
        fireEvent.click(screen.getByRole('button', { name: 'Clear the output' }));
        expect(onClear).toHaveBeenCalledOnce();
    });

    it('goes back to the text when a run begins', () => {
        const { rerender } = render(<OutputPanel output={output()} />);
        fireEvent.click(screen.getByRole('tab', { name: 'Metrics' }));
        rerender(<OutputPanel output={output()} isStreaming />);
        expect(screen.getByRole('tab', { name: 'Output' }).getAttribute('aria-selected')).toBe('true');
    });

    it('opens a plot of the text in the viewer', () => {
        const log = appendText(emptyLog(), 'stdout', 'a\n');
        const picture = plot('p', 'Curve');
        const block = { type: 'block' as const, block: { type: 'plot' as const, plot: picture, index: 0 }, height: 16 };
        render(<OutputPanel output={output({ plots: [picture], log: { ...log, chunks: [[...log.chunks[0]!, block]], length: 2 } })} />);
        fireEvent.click(screen.getByRole('button', { name: 'Curve: open in the plot viewer' }));
        expect(within(screen.getByRole('group', { name: 'Plots' })).getByAltText('Curve')).toBeTruthy();
    });
});

describe('the rows in view', () => {
    it('are those of the scroll position', () => {
        expect(viewOf(100, 0, 180)).toMatchObject({ height: 1800, first: 0, end: 22, top: 0 });
        const view = viewOf(100, 900, 180);
        expect(view.first).toBe(38);
        expect(view.top).toBe(38 * ROW_HEIGHT);
    });

    it('reach from the first to the last of ten million', () => {
        const rows = 10_000_000;
        expect(viewOf(rows, 0, 400)).toMatchObject({ height: MAX_HEIGHT, first: 0 });
        expect(viewOf(rows, MAX_HEIGHT, 400).end).toBe(rows);
        for (const row of [0, 1, 12_345, 5_000_000, 9_999_999]) {
            const view = viewOf(rows, scrollFor(row, rows, 400), 400);
            expect(view.first).toBeLessThanOrEqual(row);
            expect(view.end).toBeGreaterThan(row);
        }
    });
});
