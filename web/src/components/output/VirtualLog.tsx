/** The output's rows, of which only those in view are in the page. Stays at the end while it is at the end. */

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { rowAt, type BlockRow, type OutputLog } from '../../state/log';
import { BlockView } from './BlockView';
import { LogRow } from './LogRow';
import { ROW_HEIGHT, scrollFor, viewOf } from './window';

interface Props {
    log: OutputLog;
    autoScroll: boolean;
    query: string;
    /** The row to bring into view, when `turn` changes. */
    current: number | undefined;
    turn: number;
    onOpenPlot?: ((index: number) => void) | undefined;
}

const AT_END = 4;

export function VirtualLog({ log, autoScroll, query, current, turn, onOpenPlot }: Props) {
    const scroller = useRef<HTMLDivElement>(null);
    const following = useRef(autoScroll);
    const [{ scrollTop, viewport }, setScroll] = useState({ scrollTop: 0, viewport: 400 });

    const measure = useCallback(() => {
        const element = scroller.current;
        if (element) setScroll({ scrollTop: element.scrollTop, viewport: element.clientHeight || 400 });
    }, []);

    const onScroll = useCallback(() => {
        const element = scroller.current;
        if (!element) return;
        following.current = autoScroll && element.scrollHeight - element.clientHeight - element.scrollTop <= AT_END;
        measure();
    }, [autoScroll, measure]);

    useEffect(() => {
        if (!scroller.current || typeof ResizeObserver === 'undefined') return undefined;
        const observer = new ResizeObserver(() => {
            if (following.current && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
            measure();
        });
        observer.observe(scroller.current);
        return () => observer.disconnect();
    }, [measure]);

    useLayoutEffect(() => {
        following.current = autoScroll;
    }, [log.epoch, autoScroll]);

    useLayoutEffect(() => {
        const element = scroller.current;
        if (element && following.current) element.scrollTop = element.scrollHeight;
        measure();
    }, [log, measure]);

    useLayoutEffect(() => {
        const element = scroller.current;
        if (!element || current === undefined) return;
        following.current = false;
        element.scrollTop = scrollFor(current, log.length, element.clientHeight);
        measure();
        // Only a new search or a step through its hits moves the view, not what arrives meanwhile.
    }, [current, turn]);

    const view = viewOf(log.length, scrollTop, viewport);
    const rows = [];
    for (let i = view.first; i < view.end; i++) {
        const row = rowAt(log, i);
        const style = { top: view.top + (i - view.first) * ROW_HEIGHT };
        if (row?.type === 'text') rows.push(<div key={i} className="log-slot" style={style}><LogRow row={row} query={query} current={i === current} /></div>);
        else if (row?.type === 'block' || (row?.type === 'covered' && i === view.first)) rows.push(blockAt(log, i, view.first, view.top, onOpenPlot));
    }
    return (
        <div className="log" ref={scroller} onScroll={onScroll} tabIndex={0} role="log" aria-label="Program output" data-rows={log.length}>
            <div className="log-canvas" style={{ height: view.height }}>{rows}</div>
        </div>
    );
}

function blockAt(log: OutputLog, index: number, first: number, top: number, onOpenPlot?: (index: number) => void) {
    const row = rowAt(log, index);
    const start = row?.type === 'covered' ? index - row.back : index;
    const block = rowAt(log, start) as BlockRow;
    const style = { top: top + (start - first) * ROW_HEIGHT, height: block.height * ROW_HEIGHT };
    return (
        <div key={start} className="log-block" style={style}>
            <BlockView block={block.block} onOpenPlot={onOpenPlot} />
        </div>
    );
}
