/**
 * Which rows of a very long list are in view. Browsers do not make an element taller than some 17 million pixels, so a longer list
 * is scrolled faster than it is drawn.
 */

export const ROW_HEIGHT = 18;
export const MAX_HEIGHT = 15_000_000;
const MARGIN = 12;

export interface View {
    /** Height of what is scrolled. */
    readonly height: number;
    readonly first: number;
    /** Behind the last one. */
    readonly end: number;
    /** Where row `first` is, in pixels from the top of what is scrolled. */
    readonly top: number;
}

export function viewOf(rows: number, scrollTop: number, viewport: number): View {
    const full = rows * ROW_HEIGHT;
    const height = Math.min(full, MAX_HEIGHT);
    const room = Math.max(0, height - viewport);
    const at = Math.min(Math.max(0, scrollTop), room);
    const virtual = room > 0 ? (at / room) * (full - viewport) : 0;
    const first = Math.max(0, Math.floor(virtual / ROW_HEIGHT) - MARGIN);
    const end = Math.min(rows, Math.ceil((virtual + viewport) / ROW_HEIGHT) + MARGIN);
    return { height, first, end, top: at + first * ROW_HEIGHT - virtual };
}

/** The scrollTop that brings a row into the middle. */
export function scrollFor(row: number, rows: number, viewport: number): number {
    const full = rows * ROW_HEIGHT;
    const room = Math.max(0, Math.min(full, MAX_HEIGHT) - viewport);
    const virtual = Math.min(Math.max(0, row * ROW_HEIGHT - viewport / 2), Math.max(0, full - viewport));
    return full > viewport ? (virtual / (full - viewport)) * room : 0;
}
