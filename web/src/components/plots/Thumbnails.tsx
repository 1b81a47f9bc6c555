import { plotDataUrl, type PlotData } from '@penny/sandbox-client';
import { plotTitle } from './export';

interface Props {
    plots: readonly PlotData[];
    index: number;
    onSelect: (index: number) => void;
}

export function Thumbnails({ plots, index, onSelect }: Props) {
    return (
        <div className="thumbnails" role="list" aria-label="All plots">
            {plots.map((plot, i) => (
                <div role="listitem" key={plot.id}>
                    <button type="button" className="thumbnail" aria-current={i === index} aria-label={plotTitle(plot, i)} onClick={() => onSelect(i)}>
                        {plot.format === 'html' ? <span className="thumbnail-name">{plotTitle(plot, i)}</span> : <img src={plotDataUrl(plot)} alt="" />}
                    </button>
                </div>
            ))}
        </div>
    );
}
