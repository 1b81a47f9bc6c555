/** Which form of a displayed value to show, and how much room it takes. */

import type { MimeBundle } from '@penny/sandbox-client';

export type Shown =
    | { readonly form: 'plotly'; readonly figure: unknown }
    | { readonly form: 'image'; readonly url: string }
    | { readonly form: 'html'; readonly html: string }
    | { readonly form: 'text'; readonly text: string };

/** A table larger than this is drawn as text. */
const HTML_LIMIT = 2_000_000;
const BASE64 = /^[A-Za-z0-9+/=\s]*$/;

function imageUrl(mime: string, data: unknown): string | undefined {
    if (typeof data !== 'string') return undefined;
    if (mime === 'image/svg+xml' && !BASE64.test(data)) return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(data)}`;
    return BASE64.test(data) ? `data:${mime};base64,${data.replace(/\s/g, '')}` : undefined;
}

const IMAGES = ['image/svg+xml', 'image/png', 'image/jpeg', 'image/gif', 'image/webp'];

function textOf(bundle: MimeBundle): string {
    const data = bundle.data;
    const text = data['text/plain'] ?? data['text/markdown'] ?? data['text/latex'];
    if (typeof text === 'string') return text;
    const json = data['application/json'];
    if (json !== undefined) return JSON.stringify(json, null, 2);
    return `[${Object.keys(data).join(', ')}]`;
}

export function chooseForm(bundle: MimeBundle): Shown {
    const figure = bundle.data['application/vnd.plotly.v1+json'];
    if (figure !== null && typeof figure === 'object') return { form: 'plotly', figure };
    for (const mime of IMAGES) {
        const url = imageUrl(mime, bundle.data[mime]);
        if (url !== undefined) return { form: 'image', url };
    }
    const html = bundle.data['text/html'];
    if (typeof html === 'string' && html.length <= HTML_LIMIT) return { form: 'html', html };
    return { form: 'text', text: textOf(bundle) };
}

const PLOTLY_ROWS = 24;
const IMAGE_ROWS = 16;

/** Rows of the output; text is not a block and takes none. */
export function rowsOf(shown: Shown): number {
    if (shown.form === 'plotly') return PLOTLY_ROWS;
    if (shown.form === 'image') return IMAGE_ROWS;
    if (shown.form === 'text') return 0;
    // The frame cannot tell its height: a guess from what makes lines.
    const count = (pattern: RegExp) => shown.html.match(pattern)?.length ?? 0;
    const lines = count(/<tr\b/gi) * 1.42 + count(/<(p|li|h[1-6]|br|pre|dt)\b/gi) * 1.3;
    return Math.min(22, Math.max(3, Math.ceil(lines + 1.2)));
}
