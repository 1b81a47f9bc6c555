import { useEffect, useRef } from 'react';
import { formatCount } from '../../state/format';
import { IconButton } from '../ui/IconButton';

interface Props {
    query: string;
    hits: number;
    /** Index of the hit that is shown, from 0. */
    at: number;
    onQuery: (query: string) => void;
    onStep: (by: 1 | -1) => void;
    onClose: () => void;
}

export function SearchBar({ query, hits, at, onQuery, onStep, onClose }: Props) {
    const input = useRef<HTMLInputElement>(null);
    useEffect(() => input.current?.focus(), []);
    const found = query === '' ? '' : hits === 0 ? 'Nothing found' : `${formatCount(at + 1)} of ${formatCount(hits)}`;
    return (
        <div className="search-bar" role="search">
            <input
                ref={input}
                type="search"
                value={query}
                placeholder="Search the output"
                aria-label="Search the output"
                onChange={(event) => onQuery(event.target.value)}
                onKeyDown={(event) => {
                    if (event.key === 'Enter') onStep(event.shiftKey ? -1 : 1);
                    if (event.key === 'Escape') onClose();
                }}
            />
            <span className="search-count" aria-live="polite">{found}</span>
            <IconButton icon="up" label="Previous hit" disabled={hits === 0} onClick={() => onStep(-1)} />
            <IconButton icon="down" label="Next hit" disabled={hits === 0} onClick={() => onStep(1)} />
            <IconButton icon="close" label="Close the search" onClick={onClose} />
        </div>
    );
}
