/** A DataFrame, an array or a list as a table, page by page where the service gives pages. */

import { useEffect, useState } from 'react';
import type { PagedVariable, VariableData } from '@penny/sandbox-client';
import { formatCount } from '../../state/format';
import { cellText, tableOf, type TablePart } from '../../state/variables';
import { IconButton } from '../ui/IconButton';

export type LoadPage = (name: string, offset: number, limit: number, signal: AbortSignal) => Promise<PagedVariable>;

interface Props {
    name: string;
    data: VariableData;
    first: TablePart;
    loadPage: LoadPage | undefined;
}

const PAGE = 50;

/** One page at a time; what is shown stays until the next one is there. */
function usePages({ name, data, first, loadPage }: Props) {
    const [offset, setOffset] = useState(0);
    const [part, setPart] = useState(first);
    const [failure, setFailure] = useState<string>();
    const [stale, setStale] = useState(false);
    const paged = loadPage !== undefined && (first.rows.length < first.total || first.total > PAGE);
    useEffect(() => {
        setPart(first);
        if (!paged) return undefined;
        const stop = new AbortController();
        loadPage(name, offset, PAGE, stop.signal).then(
            ({ page, stale: old = false }) => {
                const { value: _value, data: _data, head: _head, preview: _preview, index: _index, ...known } = data;
                const next = tableOf({ ...known, ...page });
                if (stop.signal.aborted) return;
                if (next) setPart(next);
                setStale(old);
                setFailure(undefined);
            },
            (error: unknown) => {
                if (!stop.signal.aborted) setFailure(error instanceof Error ? error.message : String(error));
            },
        );
        return () => stop.abort();
        // A new description of the variable (data) means that it may have changed: its page is asked for again.
    }, [name, data, offset, paged]);
    return { part, paged, offset, setOffset, failure, stale };
}

const numeric = (cell: unknown): string => (typeof cell === 'number' ? 'number' : '');

export function DataTable(props: Props) {
    const { part, paged, offset, setOffset, failure, stale } = usePages(props);
    const end = part.offset + part.rows.length;
    return (
        <div className="data-table">
            <div className="data-scroll" tabIndex={0} role="region" aria-label={`Rows of ${props.name}`}>
                <table>
                    <thead>
                        <tr><th scope="col" className="data-index"><span className="unseen">Index</span></th>{part.columns.map((name, i) => <th key={i} scope="col" className={numeric(part.rows[0]?.[i])}>{name}</th>)}</tr>
                    </thead>
                    <tbody>
                        {part.rows.map((row, i) => (
                            <tr key={part.offset + i}>
                                <th scope="row" className="data-index">{cellText(part.index[i])}</th>
                                {row.map((cell, j) => <td key={j} className={numeric(cell)}>{cellText(cell)}</td>)}
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            <footer>
                {failure && <span className="bad" role="alert">{failure}</span>}
                <span className="quiet" aria-live="polite">
                    {part.rows.length < part.total ? `Rows ${formatCount(part.offset + 1)}–${formatCount(end)} of ${formatCount(part.total)}` : `${formatCount(part.total)} rows`}
                </span>
                {part.columns.length < part.totalColumns && <span className="quiet">{`, ${formatCount(part.columns.length)} of ${formatCount(part.totalColumns)} columns`}</span>}
                {stale && <span className="quiet">, as before the run that goes on</span>}
                {paged && (
                    <>
                        <span className="spacer" />
                        <IconButton icon="left" label="Previous rows" disabled={offset === 0} onClick={() => setOffset(Math.max(0, offset - PAGE))} />
                        <IconButton icon="right" label="Next rows" disabled={end >= part.total} onClick={() => setOffset(offset + PAGE)} />
                    </>
                )}
            </footer>
        </div>
    );
}
