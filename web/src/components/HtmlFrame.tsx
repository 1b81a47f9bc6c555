/**
 * HTML that a program made, in a frame that may do nothing: no script, no form, no window, no request, and an origin of its own.
 */

import { useSyncExternalStore } from 'react';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:";

const LOOK = `
:root { color-scheme: light; }
body { margin: 6px 0; font: 13px/1.45 system-ui, sans-serif; color: #20262e; background: #fff; }
table { border-collapse: collapse; border: 0; font-size: 12.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; text-align: right; border: 0; border-bottom: 1px solid #e6e9ee; white-space: nowrap; }
thead th { color: #566072; font-weight: 600; border-bottom-color: #c6ccd6; }
tbody th { color: #566072; font-weight: 500; }
tbody tr:hover { background: #f4f6f9; }
pre, code { font-family: ui-monospace, monospace; }
img, svg { max-width: 100%; }`;

const DARK = `
:root { color-scheme: dark; }
body { color: #d9dfe8; background: #14181f; }
th, td { border-bottom-color: #2a323e; }
thead th { color: #97a3b6; border-bottom-color: #3b4554; }
tbody th { color: #97a3b6; }
tbody tr:hover { background: #1b212a; }`;

export function frameDocument(html: string, dark: boolean): string {
    return `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><style>${LOOK}${dark ? DARK : ''}</style>${html}`;
}

function watchTheme(changed: () => void): () => void {
    const observer = new MutationObserver(changed);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => observer.disconnect();
}

export function useDark(): boolean {
    return useSyncExternalStore(watchTheme, () => document.documentElement.dataset.theme === 'dark');
}

export function HtmlFrame({ html, title }: { html: string; title: string }) {
    const dark = useDark();
    return <iframe className="html-frame" sandbox="" referrerPolicy="no-referrer" title={title} srcDoc={frameDocument(html, dark)} />;
}
