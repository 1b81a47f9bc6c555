import type { PlotData } from '@penny/sandbox-client';
import { IconButton } from '../ui/IconButton';
import { exportKinds, type ExportKind } from './export';

interface Props {
    plot: PlotData;
    title: string;
    place: string;
    /** undefined: it does not zoom. */
    zoom: number | undefined;
    /** 0: back to the whole picture. */
    onZoom: (factor: number) => void;
    onStep: ((by: 1 | -1) => void) | undefined;
    onExport: (kind: ExportKind) => void;
    onDelete: (() => void) | undefined;
    onFullscreen: (() => void) | undefined;
    full: boolean;
}

export function PlotBar({ plot, title, place, zoom, onZoom, onStep, onExport, onDelete, onFullscreen, full }: Props) {
    return (
        <div className="plot-bar">
            {onStep && <IconButton icon="left" label="Previous plot" onClick={() => onStep(-1)} />}
            {onStep && <IconButton icon="right" label="Next plot" onClick={() => onStep(1)} />}
            <span className="plot-title" title={title}>{title}</span>
            <span className="plot-place">{place}</span>
            <span className="spacer" />
            {zoom !== undefined && (
                <>
                    <IconButton icon="zoomOut" label="Zoom out" onClick={() => onZoom(0.8)} />
                    <button type="button" className="button plot-zoom" title="Show the whole plot" aria-label={`Zoom ${Math.round(zoom * 100)} percent: show the whole plot`} onClick={() => onZoom(0)}>
                        {Math.round(zoom * 100)}%
                    </button>
                    <IconButton icon="zoomIn" label="Zoom in" onClick={() => onZoom(1.25)} />
                </>
            )}
            {exportKinds(plot).map((kind) => (
                <IconButton key={kind} icon="download" label={`Save as ${kind.toUpperCase()}`} text={kind.toUpperCase()} onClick={() => onExport(kind)} />
            ))}
            {onDelete && <IconButton icon="trash" label="Remove this plot" onClick={onDelete} />}
            {onFullscreen && <IconButton icon="expand" label={full ? 'Leave full screen' : 'Full screen'} aria-pressed={full} onClick={onFullscreen} />}
        </div>
    );
}
