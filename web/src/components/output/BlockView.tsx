/** A plot or a displayed value, between the lines of the output. */

import { memo } from 'react';
import { plotDataUrl } from '@penny/sandbox-client';
import type { Block } from '../../state/log';
import { chooseForm } from '../../state/result';
import { HtmlFrame } from '../HtmlFrame';
import { PlotlyFrame } from '../PlotlyFrame';

interface Props {
    block: Block;
    onOpenPlot?: ((index: number) => void) | undefined;
}

export const BlockView = memo(function BlockView({ block, onOpenPlot }: Props) {
    if (block.type === 'plot') {
        const title = block.plot.metadata?.title || `Plot ${block.index + 1}`;
        if (block.plot.format === 'html') return <HtmlFrame html={new TextDecoder().decode(bytes(block.plot.data))} title={title} />;
        return (
            <button type="button" className="block-plot" onClick={() => onOpenPlot?.(block.index)} aria-label={`${title}: open in the plot viewer`}>
                <img src={plotDataUrl(block.plot)} alt={title} />
            </button>
        );
    }
    const shown = chooseForm(block.bundle);
    if (shown.form === 'plotly') return <PlotlyFrame figure={shown.figure} title="Interactive plot" />;
    if (shown.form === 'image') return <img className="block-image" src={shown.url} alt="Displayed image" />;
    if (shown.form === 'html') return <HtmlFrame html={shown.html} title="Displayed value" />;
    return <pre className="block-text">{shown.text}</pre>;
});

function bytes(base64: string): Uint8Array {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
