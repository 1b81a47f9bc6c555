/**
 * An interactive figure. plotly draws it in a frame that may run scripts, those of our own origin, but has an origin of its own: what
 * the program put into the figure reaches neither this page nor the service.
 */

import { forwardRef, useEffect, useImperativeHandle, useRef } from 'react';
import plotlyUrl from 'plotly.js-strict-dist-min/plotly-strict.min.js?url';
import scriptUrl from '../frame/plotly-frame.js?url';
import { useDark } from './HtmlFrame';

export interface PlotlyFrameHandle {
    /** A data: URL. */
    toImage(format: 'png' | 'svg'): Promise<string>;
}

const IMAGE_MS = 20_000;

function frameDocument(): string {
    const absolute = (url: string) => new URL(url, document.baseURI).href.replace(/"/g, '%22');
    const policy = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data: blob:";
    return (
        `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">` +
        `<style>html, body, #plot { margin: 0; height: 100%; overflow: hidden; }</style><div id="plot"></div>` +
        `<script src="${absolute(plotlyUrl)}"></script><script src="${absolute(scriptUrl)}"></script>`
    );
}

interface Props {
    figure: unknown;
    title: string;
}

export const PlotlyFrame = forwardRef<PlotlyFrameHandle, Props>(function PlotlyFrame({ figure, title }, ref) {
    const frame = useRef<HTMLIFrameElement>(null);
    const waiting = useRef(new Map<number, (image: unknown) => void>());
    const dark = useDark();

    useEffect(() => {
        // The frame's origin is opaque, so its window is the only thing to know it by.
        const send = () => frame.current?.contentWindow?.postMessage({ type: 'draw', figure, dark }, '*');
        const onMessage = (event: MessageEvent) => {
            if (event.source === null || event.source !== frame.current?.contentWindow) return;
            const message = event.data as { type?: unknown; id?: unknown; image?: unknown } | null;
            if (message?.type === 'ready') send();
            if (message?.type === 'image' && typeof message.id === 'number') waiting.current.get(message.id)?.(message.image);
        };
        window.addEventListener('message', onMessage);
        send();
        return () => window.removeEventListener('message', onMessage);
    }, [figure, dark]);

    useImperativeHandle(ref, () => ({
        toImage: (format) =>
            new Promise<string>((resolve, reject) => {
                const id = Date.now() + Math.random();
                const timer = setTimeout(() => reject(new Error('The plot did not answer')), IMAGE_MS);
                waiting.current.set(id, (image) => {
                    clearTimeout(timer);
                    waiting.current.delete(id);
                    if (typeof image === 'string' && image.startsWith('data:image/')) resolve(image);
                    else reject(new Error('The plot could not be exported'));
                });
                frame.current?.contentWindow?.postMessage({ type: 'image', format, id }, '*');
            }),
    }));

    return <iframe ref={frame} className="plotly-frame" sandbox="allow-scripts" referrerPolicy="no-referrer" title={title} srcDoc={frameDocument()} />;
});
