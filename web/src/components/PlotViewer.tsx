/** The plots of a session, one large and the others beside it. */

import { useCallback, useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { plotDataUrl, type PlotData } from '@penny/sandbox-client';
import { HtmlFrame } from './HtmlFrame';
import { PlotlyFrame, type PlotlyFrameHandle } from './PlotlyFrame';
import { exportPlot, fileName, parseFigure, plotText, plotTitle, type ExportKind } from './plots/export';
import { PlotBar } from './plots/PlotBar';
import { Stage } from './plots/Stage';
import { Thumbnails } from './plots/Thumbnails';
import { FIT, zoomAt, type PlotView } from './plots/view';
import { downloadBlob } from './ui/download';

export interface PlotViewerProps {
    plots: readonly PlotData[];
    className?: string;
    onPlotSelect?: (plot: PlotData, index: number) => void;
    onPlotDelete?: (index: number) => void;
    /** Without it the plot is downloaded. */
    onPlotExport?: (plot: PlotData, format: 'png' | 'svg' | 'pdf') => void;
    showThumbnails?: boolean;
    maxHeight?: string | number;
    allowFullscreen?: boolean;
    enableZoom?: boolean;
    /** Which one to show, when it changes. */
    selected?: number | undefined;
}

const STEP = 1.25;

export default function PlotViewer(props: PlotViewerProps) {
    const { plots, className = '', showThumbnails = true, maxHeight = '600px', allowFullscreen = true, enableZoom = true, selected } = props;
    const [at, setAt] = useState(Math.max(0, selected ?? plots.length - 1));
    const [view, setView] = useState<PlotView>(FIT);
    const [failure, setFailure] = useState<string>();
    const [full, setFull] = useState(false);
    const root = useRef<HTMLDivElement>(null);
    const frame = useRef<PlotlyFrameHandle>(null);
    const index = Math.min(at, plots.length - 1);
    const plot = plots[index];

    const select = useCallback((to: number) => {
        setAt(to);
        setView(FIT);
        setFailure(undefined);
    }, []);
    useEffect(() => {
        if (selected !== undefined) select(selected);
    }, [selected, select]);
    useEffect(() => {
        const onChange = () => setFull(document.fullscreenElement === root.current && root.current !== null);
        document.addEventListener('fullscreenchange', onChange);
        return () => document.removeEventListener('fullscreenchange', onChange);
    }, []);

    if (!plot) return <div className={`plot-viewer empty ${className}`}>Plots of matplotlib and plotly are shown here.</div>;

    const choose = (to: number) => {
        const next = (to + plots.length) % plots.length;
        select(next);
        props.onPlotSelect?.(plots[next]!, next);
    };
    const zoom = (factor: number) => enableZoom && setView((now) => zoomAt(now, factor));
    const save = async (kind: ExportKind) => {
        if (props.onPlotExport) return props.onPlotExport(plot, kind);
        try {
            downloadBlob(await exportPlot(plot, kind, frame.current?.toImage), fileName(plot, index, kind));
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
        }
    };
    const toggleFull = () => void (full ? document.exitFullscreen() : root.current?.requestFullscreen?.());
    const keys: Record<string, () => void> = {
        ArrowLeft: () => choose(index - 1),
        ArrowRight: () => choose(index + 1),
        '+': () => zoom(STEP),
        '=': () => zoom(STEP),
        '-': () => zoom(1 / STEP),
        '0': () => setView(FIT),
        f: () => allowFullscreen && toggleFull(),
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
        if (!act) return;
        event.preventDefault();
        act();
    };
    const title = plotTitle(plot, index);
    const figure = parseFigure(plot);
    return (
        <div ref={root} className={`plot-viewer ${className}`} style={{ height: full ? '100%' : maxHeight }} onKeyDown={onKeyDown} tabIndex={0} role="group" aria-label="Plots">
            <PlotBar
                plot={plot}
                title={title}
                place={plots.length > 1 ? `${index + 1} of ${plots.length}` : ''}
                zoom={enableZoom && plot.format !== 'html' ? view.zoom : undefined}
                onZoom={(factor) => (factor === 0 ? setView(FIT) : zoom(factor))}
                onStep={plots.length > 1 ? (by) => choose(index + by) : undefined}
                onExport={(kind) => void save(kind)}
                onDelete={props.onPlotDelete && (() => props.onPlotDelete?.(index))}
                onFullscreen={allowFullscreen ? toggleFull : undefined}
                full={full}
            />
            {failure && <p className="plot-failure" role="alert">{failure}</p>}
            {figure !== undefined ? (
                <PlotlyFrame key={plot.id} ref={frame} figure={figure} title={title} />
            ) : plot.format === 'html' ? (
                <HtmlFrame html={plotText(plot)} title={title} />
            ) : (
                <Stage url={plotDataUrl(plot)} alt={title} view={view} onView={setView} enabled={enableZoom} />
            )}
            {showThumbnails && plots.length > 1 && <Thumbnails plots={plots} index={index} onSelect={choose} />}
        </div>
    );
}
