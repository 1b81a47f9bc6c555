/** Plots as files. */

import { plotBytes, plotDataUrl, plotMimeType, type PlotData } from '@penny/sandbox-client';

export type ExportKind = 'png' | 'svg';

export function exportKinds(plot: PlotData): ExportKind[] {
    if (plot.format === 'png') return ['png'];
    if (plot.format === 'svg') return ['svg', 'png'];
    return isFigure(plot) ? ['png', 'svg'] : [];
}

/** An interactive figure of plotly: its data is the figure as JSON. */
export function isFigure(plot: PlotData): boolean {
    return plot.format === 'html' && plot.metadata?.backend === 'plotly';
}

export function plotText(plot: PlotData): string {
    return new TextDecoder().decode(plotBytes(plot));
}

export function parseFigure(plot: PlotData): unknown {
    try {
        return isFigure(plot) ? JSON.parse(plotText(plot)) : undefined;
    } catch {
        return undefined;
    }
}

export function plotTitle(plot: PlotData, index: number): string {
    return plot.metadata?.title || `Plot ${index + 1}`;
}

export function fileName(plot: PlotData, index: number, kind: ExportKind): string {
    const name = plotTitle(plot, index).replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '').slice(0, 60);
    return `${name || 'plot'}.${kind}`;
}

const SCALE = 2;

async function rasterize(url: string): Promise<Blob> {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth * SCALE;
    canvas.height = image.naturalHeight * SCALE;
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture could not be made'))), 'image/png'));
}

function decodeUrl(url: string): Blob {
    const [head = '', data = ''] = url.slice(5).split(/,(.*)/s);
    const text = head.endsWith(';base64') ? atob(data) : decodeURIComponent(data);
    const bytes = head.endsWith(';base64') ? Uint8Array.from(text, (c) => c.charCodeAt(0)) : text;
    return new Blob([bytes], { type: head.split(';')[0] ?? '' });
}

/** `figure` draws an interactive one: only its frame can. */
export async function exportPlot(plot: PlotData, kind: ExportKind, figure?: (kind: ExportKind) => Promise<string>): Promise<Blob> {
    if (plot.format === kind) return new Blob([plotBytes(plot) as BlobPart], { type: plotMimeType(plot) });
    if (plot.format === 'svg') return rasterize(plotDataUrl(plot));
    if (!figure) throw new Error('This plot cannot be exported');
    return decodeUrl(await figure(kind));
}
