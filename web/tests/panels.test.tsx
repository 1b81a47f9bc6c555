import { act, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it, vi } from 'vitest';
import { frameDocument, HtmlFrame } from '../src/components/HtmlFrame';
import { PlotlyFrame } from '../src/components/PlotlyFrame';
import PlotViewer from '../src/components/PlotViewer';
import { exportKinds, fileName, parseFigure } from '../src/components/plots/export';
import { FIT, zoomAt } from '../src/components/plots/view';
import VariableInspector from '../src/components/VariableInspector';
import { plot } from './make';

describe('PlotViewer', () => {
    const plots = [plot('a', 'First'), plot('b', 'Second')];
    const style = () => screen.getByRole('img').style.transform;

    it('shows the newest, turns over by arrow keys, and tells', () => {
        const onPlotSelect = vi.fn();
        render(<PlotViewer plots={plots} onPlotSelect={onPlotSelect} showThumbnails={false} />);
        expect(screen.getByRole('img').getAttribute('alt')).toBe('Second');
        fireEvent.keyDown(screen.getByRole('group'), { key: 'ArrowLeft' });
        expect(screen.getByRole('img').getAttribute('alt')).toBe('First');
        expect(onPlotSelect).toHaveBeenCalledWith(plots[0], 0);
        fireEvent.keyDown(screen.getByRole('group'), { key: 'ArrowLeft' });
        expect(screen.getByRole('img').getAttribute('alt')).toBe('Second');
    });

    it('zooms between its limits and back', () => {
        render(<PlotViewer plots={[plots[0]!]} />);
        for (let i = 0; i < 20; i++) fireEvent.keyDown(screen.getByRole('group'), { key: '+' });
        expect(style()).toContain('scale(5)');
        for (let i = 0; i < 40; i++) fireEvent.keyDown(screen.getByRole('group'), { key: '-' });
        expect(style()).toContain('scale(0.2)');
        fireEvent.click(screen.getByRole('button', { name: /show the whole plot/ }));
        expect(style()).toContain('scale(1)');
    });

    it('zooms at the pointer and moves by dragging', () => {
        expect(zoomAt(FIT, 2, 100, 50)).toEqual({ zoom: 2, x: -100, y: -50 });
        render(<PlotViewer plots={[plots[0]!]} />);
        const stage = document.querySelector('.stage')!;
        fireEvent.pointerDown(stage, { button: 0, clientX: 10, clientY: 10 });
        fireEvent.pointerMove(stage, { clientX: 30, clientY: 25 });
        fireEvent.pointerUp(stage);
        expect(style()).toContain('translate(20px, 15px)');
    });

    it('does not zoom when it is told not to', () => {
        render(<PlotViewer plots={[plots[0]!]} enableZoom={false} allowFullscreen={false} />);
        expect(screen.queryByRole('button', { name: 'Zoom in' })).toBeNull();
        expect(screen.queryByRole('button', { name: 'Full screen' })).toBeNull();
    });

    it('deletes and exports through its owner', () => {
        const onPlotDelete = vi.fn();
        const onPlotExport = vi.fn();
        render(<PlotViewer plots={plots} onPlotDelete={onPlotDelete} onPlotExport={onPlotExport} />);
        fireEvent.click(screen.getByRole('button', { name: 'Remove this plot' }));
        expect(onPlotDelete).toHaveBeenCalledWith(1);
        fireEvent.click(screen.getByRole('button', { name: 'Save as PNG' }));
        expect(onPlotExport).toHaveBeenCalledWith(plots[1], 'png');
    });

    it('shows html only in a frame that may do nothing', () => {
        const html = { ...plot('h'), format: 'html' as const, data: btoa('<script>parent.owned = 1</script>') };
        render(<PlotViewer plots={[html]} />);
        const frame = document.querySelector('iframe')!;
        expect(frame.getAttribute('sandbox')).toBe('');
        expect(frame.srcdoc).toContain('<script>parent.owned');
        expect(document.querySelector('script')).toBeNull();
        expect(exportKinds(html)).toEqual([]);
    });

    it('takes a figure that is none for html', () => {
        expect(parseFigure({ ...plot('h'), format: 'html', data: btoa('not json'), metadata: { width: 0, height: 0, backend: 'plotly' } })).toBeUndefined();
    });

    it('makes harmless file names', () => {
        expect(fileName(plot('a', '../../etc/passwd'), 0, 'png')).toBe('etc-passwd.png');
        expect(fileName(plot('a', '...'), 0, 'svg')).toBe('plot.svg');
    });
});

describe('frames', () => {
    it('of html have no right at all and a policy of their own', () => {
        render(<HtmlFrame html="<b>x</b>" title="t" />);
        expect(document.querySelector('iframe')!.getAttribute('sandbox')).toBe('');
        expect(frameDocument('x', false)).toContain("default-src 'none'");
    });

    it('of plotly draw when they are ready, and listen to no other window', async () => {
        render(<PlotlyFrame figure={{ data: [] }} title="t" />);
        const frame = document.querySelector('iframe')!;
        expect(frame.getAttribute('sandbox')).toBe('allow-scripts');
        const post = vi.spyOn(frame.contentWindow!, 'postMessage');
        const say = (source: Window | null) => act(() => void window.dispatchEvent(new MessageEvent('message', { data: { type: 'ready' }, source })));
        say(window);
        expect(post).not.toHaveBeenCalled();
        say(frame.contentWindow);
        await waitFor(() => expect(post).toHaveBeenCalledWith({ type: 'draw', figure: { data: [] }, dark: false }, '*'));
    });
});

describe('VariableInspector', () => {
    const variables = {
        count: { type: 'int', value: 7, size: 28 },
        frame: { type: 'pandas.DataFrame', shape: [500, 2], columns: ['a', 'b'], head: [{ a: 1, b: '<b>' }], index: [0], truncated: true, memory_usage: 9000 },
        text: { type: 'str', value: '<img src=x onerror=alert(1)>', size: 60 },
    };
    const names = () => [...document.querySelectorAll('tbody .col-name')].map((cell) => cell.textContent);

    it('sorts, searches and groups', () => {
        render(<VariableInspector variables={variables} />);
        expect(names()).toEqual(['count', 'frame', 'text']);
        fireEvent.click(screen.getByRole('button', { name: 'Memory' }));
        expect(names()).toEqual(['frame', 'text', 'count']);
        fireEvent.change(screen.getByRole('searchbox'), { target: { value: 'int' } });
        expect(names()).toEqual(['count']);
        fireEvent.change(screen.getByRole('searchbox'), { target: { value: '' } });
        fireEvent.click(screen.getByRole('checkbox', { name: 'By type' }));
        expect([...document.querySelectorAll('caption')].map((caption) => caption.textContent)).toEqual(['int', 'pandas.DataFrame', 'str']);
    });

    it('shows values as text', () => {
        render(<VariableInspector variables={variables} />);
        fireEvent.click(screen.getByRole('button', { name: 'text' }));
        expect(document.querySelector('img')).toBeNull();
        expect(document.querySelector('.variable-text')!.textContent).toBe('<img src=x onerror=alert(1)>');
    });

    it('pages a big table', async () => {
        const loadPage = vi.fn(async (_name: string, offset: number, limit: number) => ({
            ...variables.frame,
            name: 'frame',
            page: {
                offset,
                limit,
                total: 500,
                columns: ['a', 'b'],
                index: Array.from({ length: limit }, (_, i) => offset + i),
                items: Array.from({ length: limit }, (_, i) => ({ a: offset + i, b: 'x' })),
            },
        }));
        render(<VariableInspector variables={variables} loadPage={loadPage} />);
        fireEvent.click(screen.getByRole('button', { name: 'frame' }));
        await screen.findByText('Rows 1–50 of 500');
        fireEvent.click(screen.getByRole('button', { name: 'Next rows' }));
        await screen.findByText('Rows 51–100 of 500');
        const first = within(screen.getByRole('region', { name: 'Rows of frame' })).getAllByRole('row')[1]!;
        expect(within(first).getAllByRole('cell').map((cell) => cell.textContent)).toEqual(['50', 'x']);
        expect(loadPage).toHaveBeenLastCalledWith('frame', 50, 50, expect.anything());
    });

    it('says when a page is older than what runs', async () => {
        const page = { offset: 0, limit: 50, total: 500, items: [{ a: 1, b: 'x' }] };
        render(<VariableInspector variables={variables} loadPage={async () => ({ name: 'frame', type: 'pandas.DataFrame', page, stale: true })} />);
        fireEvent.click(screen.getByRole('button', { name: 'frame' }));
        await screen.findByText(', as before the run that goes on');
    });

    it('says when a page cannot be had, and keeps what it has', async () => {
        render(<VariableInspector variables={variables} loadPage={() => Promise.reject(new Error('busy'))} />);
        fireEvent.click(screen.getByRole('button', { name: 'frame' }));
        expect((await screen.findByRole('alert')).textContent).toBe('busy');
        expect(screen.getByText('<b>')).toBeTruthy();
    });

    it('edits a scalar, refusing what is none', async () => {
        const onVariableEdit = vi.fn(async () => undefined);
        render(<VariableInspector variables={variables} onVariableEdit={onVariableEdit} />);
        fireEvent.click(screen.getByRole('button', { name: 'count' }));
        fireEvent.click(screen.getByRole('button', { name: 'Edit' }));
        const value = screen.getByRole('textbox', { name: 'New value' });
        fireEvent.change(value, { target: { value: 'seven' } });
        fireEvent.submit(value);
        expect((await screen.findByRole('alert')).textContent).toBe('A number');
        fireEvent.change(value, { target: { value: '8' } });
        fireEvent.submit(value);
        await waitFor(() => expect(onVariableEdit).toHaveBeenCalledWith('count', 8));
    });

    it('offers only what its owner can do', () => {
        const { rerender } = render(<VariableInspector variables={variables} />);
        fireEvent.click(screen.getByRole('button', { name: 'count' }));
        expect(screen.queryByRole('button', { name: /Delete|Export|Edit/ })).toBeNull();
        const onVariableDelete = vi.fn();
        const onVariableExport = vi.fn();
        rerender(<VariableInspector variables={variables} onVariableDelete={onVariableDelete} onVariableExport={onVariableExport} />);
        fireEvent.click(screen.getByRole('button', { name: 'Delete count' }));
        fireEvent.click(screen.getByRole('button', { name: 'Export as JSON' }));
        expect(onVariableDelete).toHaveBeenCalledWith('count');
        expect(onVariableExport).toHaveBeenCalledWith('count', 'json');
    });
});
