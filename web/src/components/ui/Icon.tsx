/** Line icons, 16 by 16. They say nothing to a screen reader: the button around one has a name. */

const PATHS = {
    play: 'M4.5 2.8v10.4L13 8z',
    playPart: 'M3 3v10M6 4v8l7-4z',
    stop: 'M4 4h8v8H4z',
    restart: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
    plus: 'M8 3v10M3 8h10',
    trash: 'M3 4.5h10M6.5 4V2.8h3V4M4.5 4.5l.6 8.7h5.8l.6-8.7M6.8 7v4M9.2 7v4',
    copy: 'M5.5 5.5h7.7v7.7H5.5zM3 10.5V2.8h7.5',
    check: 'M3 8.5l3.2 3.2L13 4.8',
    download: 'M8 2.5v7.5M4.8 7L8 10.2 11.2 7M3 13.2h10',
    upload: 'M8 10V2.7M4.8 5.7L8 2.5l3.2 3.2M3 13.2h10',
    search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3L13.5 13.5',
    clear: 'M2.8 13.2h10.4M9.7 2.8l3.5 3.5-5.4 5.4H5.3L2.8 9.2z',
    up: 'M4 10l4-4 4 4',
    down: 'M4 6l4 4 4-4',
    left: 'M10 4L6 8l4 4',
    right: 'M6 4l4 4-4 4',
    close: 'M4 4l8 8M12 4l-8 8',
    expand: 'M9.5 2.8h3.7v3.7M6.5 13.2H2.8V9.5M13 3L9.3 6.7M3 13l3.7-3.7',
    zoomIn: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2M7 5v4M5 7h4',
    zoomOut: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2M5 7h4',
    sun: 'M8 10.6a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2zM8 1.5v1.6M8 12.9v1.6M1.5 8h1.6M12.9 8h1.6M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1',
    moon: 'M13 9.6A5.6 5.6 0 0 1 6.4 3a5.4 5.4 0 1 0 6.6 6.6z',
    save: 'M3 3h8l2 2v8H3zM5.5 3v3.2h4.5V3M5.5 13V9.2h5V13',
    tidy: 'M3 4h10M3 8h6M3 12h8',
    fork: 'M4.5 2.8v10.4M4.5 9c0-3 7-1.5 7-5.5M10 4.6l1.5-1.5L13 4.6',
    undo: 'M5.5 3.5L2.8 6.2l2.7 2.7M3 6.2h6.2a3.4 3.4 0 0 1 0 6.8H6',
    redo: 'M10.5 3.5l2.7 2.7-2.7 2.7M13 6.2H6.8a3.4 3.4 0 0 0 0 6.8H10',
    notebook: 'M4.5 2.5h8v11h-8zM2.8 5h3M2.8 8h3M2.8 11h3M7.5 5.5h3M7.5 8h3',
    file: 'M4 2.5h5l3 3v8H4zM9 2.5v3h3',
    folder: 'M2.5 4h4l1.2 1.5h5.8v7H2.5z',
    pin: 'M8 14s4.2-4 4.2-7.3a4.2 4.2 0 0 0-8.4 0C3.8 10 8 14 8 14zM8 8.2a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
    return (
        <svg className={`icon icon-${name}`} width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path d={PATHS[name]} />
        </svg>
    );
}
