/** The picture: wheel and two buttons zoom, dragging moves. */

import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { FIT, panBy, zoomAt, type PlotView } from './view';

interface Props {
    url: string;
    alt: string;
    view: PlotView;
    onView: (change: (view: PlotView) => PlotView) => void;
    enabled: boolean;
}

const WHEEL = 0.0015;

export function Stage({ url, alt, view, onView, enabled }: Props) {
    const place = useRef<HTMLDivElement>(null);
    const [drag, setDrag] = useState<{ x: number; y: number }>();

    useEffect(() => {
        const element = place.current;
        if (!element || !enabled) return undefined;
        // Not React's onWheel: that one is passive and could not keep the page from scrolling.
        const onWheel = (event: WheelEvent) => {
            event.preventDefault();
            const box = element.getBoundingClientRect();
            const x = event.clientX - box.left - box.width / 2;
            const y = event.clientY - box.top - box.height / 2;
            onView((now) => zoomAt(now, Math.exp(-event.deltaY * WHEEL), x, y));
        };
        element.addEventListener('wheel', onWheel, { passive: false });
        return () => element.removeEventListener('wheel', onWheel);
    }, [enabled, onView]);

    const onMove = (event: PointerEvent) => {
        if (!drag) return;
        const { clientX: x, clientY: y } = event;
        onView((now) => panBy(now, x - drag.x, y - drag.y));
        setDrag({ x, y });
    };
    return (
        <div
            ref={place}
            className={`stage ${enabled ? 'stage-movable' : ''} ${drag ? 'stage-dragged' : ''}`}
            onPointerDown={(event) => {
                if (!enabled || event.button !== 0) return;
                event.currentTarget.setPointerCapture?.(event.pointerId);
                setDrag({ x: event.clientX, y: event.clientY });
            }}
            onPointerMove={onMove}
            onPointerUp={() => setDrag(undefined)}
            onPointerCancel={() => setDrag(undefined)}
            onDoubleClick={() => enabled && onView(() => FIT)}
        >
            <img src={url} alt={alt} draggable={false} style={{ transform: `translate(${view.x}px, ${view.y}px) scale(${view.zoom})` }} />
        </div>
    );
}
