/** The search in a log that grows: at most a few times a second, and only through what is new. */

import { useEffect, useRef, useState } from 'react';
import type { OutputLog } from '../../state/log';
import { searchLog, type SearchResult } from '../../state/search';

const PAUSE_MS = 200;
const NOTHING: SearchResult = { query: '', rows: [], scanned: 0, epoch: -1 };

export function useSearch(log: OutputLog, query: string) {
    const [result, setResult] = useState(NOTHING);
    const [at, setAt] = useState(0);
    const [turn, setTurn] = useState(0);
    const last = useRef({ query, result, time: 0 });
    last.current.result = result;

    useEffect(() => {
        const typed = last.current.query !== query;
        last.current.query = query;
        if (typed) setAt(0);
        if (query === '') return setResult(NOTHING);
        const wait = typed ? 0 : Math.max(0, PAUSE_MS - (performance.now() - last.current.time));
        const timer = setTimeout(() => {
            last.current.time = performance.now();
            setResult((before) => searchLog(log, query, before));
            if (typed) setTurn((n) => n + 1);
        }, wait);
        return () => clearTimeout(timer);
    }, [log, query]);

    const step = (by: 1 | -1) => {
        const count = result.rows.length;
        if (count === 0) return;
        setAt((now) => (now + by + count) % count);
        setTurn((n) => n + 1);
    };
    const hit = Math.min(at, Math.max(0, result.rows.length - 1));
    return { hits: result.rows.length, at: hit, row: result.rows[hit], turn, step };
}
