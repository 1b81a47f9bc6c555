/** The tab with the text: search, the rows, and the line to type into when the program asks. */

import { useMemo, useState, type ReactNode } from 'react';
import type { OutputLog } from '../../state/log';
import type { Prompt } from '../../state/model';
import { PromptLine } from './PromptLine';
import { SearchBar } from './SearchBar';
import { VirtualLog } from './VirtualLog';
import { useSearch } from './useSearch';

interface Props {
    log: OutputLog;
    autoScroll: boolean;
    searching: boolean;
    onCloseSearch: () => void;
    prompt: Prompt | undefined;
    onAnswer: ((text: string) => void) | undefined;
    onOpenPlot: (index: number) => void;
    empty: ReactNode;
}

export function OutputView({ log, autoScroll, searching, onCloseSearch, prompt, onAnswer, onOpenPlot, empty }: Props) {
    const [typed, setTyped] = useState('');
    const query = searching ? typed : '';
    const search = useSearch(log, query);
    const openPlot = useMemo(() => onOpenPlot, [onOpenPlot]);
    return (
        <div className={`output-view ${prompt ? 'output-asking' : ''}`}>
            {searching && <SearchBar query={typed} hits={search.hits} at={search.at} onQuery={setTyped} onStep={search.step} onClose={onCloseSearch} />}
            {log.length === 0 && !prompt ? (
                <div className="empty">{empty}</div>
            ) : (
                <VirtualLog log={log} autoScroll={autoScroll} query={query} current={query === '' ? undefined : search.row} turn={search.turn} onOpenPlot={openPlot} />
            )}
            {prompt && onAnswer && <PromptLine key={prompt.prompt} prompt={prompt} onAnswer={onAnswer} />}
        </div>
    );
}
