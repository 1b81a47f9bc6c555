/** What a run has given: text, variables, plots and metrics. */

import { useEffect, useMemo, useState, type ReactNode } from 'react';
import type { PlotData, VariableData } from '@penny/sandbox-client';
import { appendText, emptyLog, logText, type OutputLog } from '../state/log';
import type { Prompt, RunSummary } from '../state/model';
import { OutputView } from './output/OutputView';
import { MetricsView } from './output/MetricsView';
import PlotViewer, { type PlotViewerProps } from './PlotViewer';
import VariableInspector, { type VariableInspectorProps } from './VariableInspector';
import { CopyButton } from './ui/CopyButton';
import { downloadText } from './ui/download';
import { IconButton } from './ui/IconButton';
import { Tabs, type Tab } from './ui/Tabs';

export interface PanelOutput {
    stdout: string;
    stderr: string;
    plots: readonly PlotData[];
    variables: Readonly<Record<string, VariableData>>;
    /** ms */
    executionTime?: number;
    timestamp?: string;
    /** In place of stdout and stderr: the text in its order, with what was displayed between the lines. */
    log?: OutputLog;
    runs?: readonly RunSummary[];
}

export interface OutputPanelProps {
    output: PanelOutput;
    isStreaming?: boolean;
    className?: string;
    maxHeight?: string | number;
    showVariables?: boolean;
    showPlots?: boolean;
    showMetrics?: boolean;
    autoScroll?: boolean;
    /** A new run shows the text again, whichever tab was open. */
    clearOnNewExecution?: boolean;
    onClear?: () => void;
    prompt?: Prompt | undefined;
    onAnswer?: (text: string) => void;
    extraTabs?: readonly Tab[];
    inspector?: Partial<VariableInspectorProps>;
    viewer?: Partial<PlotViewerProps>;
    empty?: ReactNode;
}

function textLog(stdout: string, stderr: string): OutputLog {
    return appendText(appendText(emptyLog(), 'stdout', stdout), 'stderr', stderr);
}

function runsOf(output: PanelOutput): readonly RunSummary[] {
    if (output.runs) return output.runs;
    if (output.executionTime === undefined) return [];
    const at = output.timestamp === undefined ? Date.now() : Date.parse(output.timestamp);
    const metrics = { executionTime: output.executionTime, memoryUsage: 0, cpuUsage: 0 };
    return [{ key: 0, at, status: 'ok', success: true, metrics, artifacts: [] }];
}

export default function OutputPanel(props: OutputPanelProps) {
    const { output, isStreaming = false, className = '', maxHeight = '400px', showVariables = true, showPlots = true, showMetrics = true } = props;
    const { autoScroll = true, clearOnNewExecution = true, onClear, extraTabs = [] } = props;
    const [tab, setTab] = useState('output');
    const [searching, setSearching] = useState(false);
    const [expanded, setExpanded] = useState(false);
    const [plotAt, setPlotAt] = useState<number>();
    const log = useMemo(() => output.log ?? textLog(output.stdout, output.stderr), [output.log, output.stdout, output.stderr]);
    const runs = runsOf(output);
    useEffect(() => {
        if (isStreaming && clearOnNewExecution) setTab('output');
    }, [isStreaming, clearOnNewExecution]);

    const openPlot = useMemo(() => (index: number) => {
        setPlotAt(index);
        setTab('plots');
    }, []);
    const variableCount = Object.keys(output.variables).length;
    const tabs: Tab[] = [
        {
            id: 'output',
            label: 'Output',
            content: () => (
                <OutputView
                    log={log}
                    autoScroll={autoScroll}
                    searching={searching}
                    onCloseSearch={() => setSearching(false)}
                    prompt={props.prompt}
                    onAnswer={props.onAnswer}
                    onOpenPlot={openPlot}
                    empty={props.empty ?? (isStreaming ? 'Running…' : 'No output')}
                />
            ),
        },
    ];
    if (showVariables) tabs.push({ id: 'variables', label: 'Variables', count: variableCount, content: () => <VariableInspector variables={output.variables} {...props.inspector} /> });
    if (showPlots) tabs.push({ id: 'plots', label: 'Plots', count: output.plots.length, content: () => <PlotViewer plots={output.plots} selected={plotAt} maxHeight="100%" {...props.viewer} /> });
    if (showMetrics) tabs.push({ id: 'metrics', label: 'Metrics', content: () => <MetricsView runs={runs} /> });
    tabs.push(...extraTabs);

    const actions = tab === 'output' && (
        <>
            <IconButton icon="search" label="Search the output" aria-pressed={searching} onClick={() => setSearching(!searching)} />
            <CopyButton label="Copy the output" text={() => logText(log)} />
            <IconButton icon="download" label="Download the output" onClick={() => downloadText(logText(log), 'output.txt')} />
            {onClear && <IconButton icon="clear" label="Clear the output" onClick={onClear} />}
            <IconButton icon="expand" label={expanded ? 'Make the panel small again' : 'Make the panel large'} aria-pressed={expanded} onClick={() => setExpanded(!expanded)} />
        </>
    );
    const onKeyDown = (event: React.KeyboardEvent) => {
        if ((event.ctrlKey || event.metaKey) && event.key === 'f' && tab === 'output') {
            event.preventDefault();
            setSearching(true);
        } else if (event.key === 'Escape' && expanded) setExpanded(false);
    };
    return (
        <section
            className={`output-panel ${expanded ? 'output-expanded' : ''} ${className}`}
            style={expanded ? undefined : { height: maxHeight }}
            aria-label="Results"
            aria-busy={isStreaming}
            onKeyDown={onKeyDown}
        >
            <Tabs tabs={tabs} selected={tab} onSelect={setTab} label="Results" actions={actions || undefined} />
        </section>
    );
}
