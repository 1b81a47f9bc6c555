/** Two panes beside each other, or one above the other on a narrow screen, with an edge to drag or to move by arrow keys. */

import { useRef, useState, type CSSProperties, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react';
import { kept } from '../api/kept';

const MIN = 20;
const MAX = 80;

const clamp = (percent: number) => Math.min(MAX, Math.max(MIN, percent));

export function Split({ first, second }: { first: ReactNode; second: ReactNode }) {
    const root = useRef<HTMLElement>(null);
    const [percent, setPercent] = useState(() => clamp(Number(kept.split) || 50));
    const [dragging, setDragging] = useState(false);
    const set = (value: number) => {
        setPercent(clamp(value));
        kept.split = String(clamp(value));
    };
    const onMove = (event: PointerEvent) => {
        const box = root.current?.getBoundingClientRect();
        if (!dragging || !box) return;
        const stacked = getComputedStyle(root.current!).flexDirection === 'column';
        set(stacked ? ((event.clientY - box.top) / box.height) * 100 : ((event.clientX - box.left) / box.width) * 100);
    };
    const onKeyDown = (event: KeyboardEvent) => {
        const by = { ArrowLeft: -2, ArrowUp: -2, ArrowRight: 2, ArrowDown: 2 }[event.key];
        if (by === undefined) return;
        event.preventDefault();
        set(percent + by);
    };
    return (
        <main ref={root} className={`split ${dragging ? 'split-dragging' : ''}`} style={{ '--split': `${percent}%` } as CSSProperties}>
            <div className="split-first">{first}</div>
            <div
                className="split-edge"
                role="separator"
                tabIndex={0}
                aria-label="Width of the editor"
                aria-valuenow={Math.round(percent)}
                aria-valuemin={MIN}
                aria-valuemax={MAX}
                onKeyDown={onKeyDown}
                onPointerDown={(event) => {
                    event.currentTarget.setPointerCapture(event.pointerId);
                    setDragging(true);
                }}
                onPointerMove={onMove}
                onPointerUp={() => setDragging(false)}
                onPointerCancel={() => setDragging(false)}
            />
            <div className="split-second">{second}</div>
        </main>
    );
}
