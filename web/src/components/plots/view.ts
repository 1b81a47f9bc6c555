/** Zoom and place of the picture in the viewer. */

export interface PlotView {
    readonly zoom: number;
    readonly x: number;
    readonly y: number;
}

export const MIN_ZOOM = 0.2;
export const MAX_ZOOM = 5;
export const FIT: PlotView = { zoom: 1, x: 0, y: 0 };

const clamp = (zoom: number) => Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, zoom));

/** Zooms so that the point (x, y), from the middle of the stage, stays where it is. */
export function zoomAt(view: PlotView, factor: number, x = 0, y = 0): PlotView {
    const zoom = clamp(view.zoom * factor);
    const by = zoom / view.zoom;
    return { zoom, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
}

export function panBy(view: PlotView, dx: number, dy: number): PlotView {
    return { ...view, x: view.x + dx, y: view.y + dy };
}
