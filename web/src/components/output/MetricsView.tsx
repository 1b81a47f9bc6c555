/** What the runs took, newest first. */

import type { RunSummary } from '../../state/model';
import { formatBytes, formatMs } from '../../state/format';

const LABELS: Record<string, string> = {
    ok: 'Completed',
    error: 'Error',
    timeout: 'Time limit',
    memory: 'Memory limit',
    interrupted: 'Interrupted',
    killed: 'Ended',
    rejected: 'Refused',
    lost: 'Lost',
};

export const statusLabel = (status: string): string => LABELS[status] ?? status;

function facts(run: RunSummary): [string, string][] {
    const m = run.metrics;
    const list: [string, string | undefined][] = [
        ['Run time', formatMs(m.executionTime)],
        ['CPU, user', m.cpuUser === undefined ? undefined : formatMs(m.cpuUser)],
        ['CPU, system', m.cpuSystem === undefined ? undefined : formatMs(m.cpuSystem)],
        ['Memory', m.memoryUsage ? formatBytes(m.memoryUsage) : undefined],
        ['Memory, peak', m.memoryPeak ? formatBytes(m.memoryPeak) : undefined],
        ['Output', m.bytesOut === undefined ? undefined : formatBytes(m.bytesOut)],
        ['Waited', (m.queued ?? 0) >= 1 ? formatMs(m.queued) : undefined],
    ];
    return list.filter((fact): fact is [string, string] => fact[1] !== undefined);
}

function History({ runs }: { runs: readonly RunSummary[] }) {
    return (
        <table className="metrics-history">
            <caption>Runs of this session</caption>
            <thead>
                <tr><th scope="col">Run</th><th scope="col">Status</th><th scope="col">Time</th><th scope="col">CPU</th><th scope="col">Peak</th><th scope="col">At</th></tr>
            </thead>
            <tbody>
                {[...runs].reverse().map((run) => (
                    <tr key={run.key}>
                        <td>{run.executionCount ?? '–'}</td>
                        <td><span className={`status status-${run.success ? 'ok' : 'bad'}`}>{statusLabel(run.status)}</span></td>
                        <td>{formatMs(run.metrics.executionTime)}</td>
                        <td>{formatMs((run.metrics.cpuUser ?? 0) + (run.metrics.cpuSystem ?? 0))}</td>
                        <td>{run.metrics.memoryPeak ? formatBytes(run.metrics.memoryPeak) : '–'}</td>
                        <td>{new Date(run.at).toLocaleTimeString()}</td>
                    </tr>
                ))}
            </tbody>
        </table>
    );
}

export function MetricsView({ runs }: { runs: readonly RunSummary[] }) {
    const last = runs[runs.length - 1];
    if (!last) return <div className="empty">Times and memory of each run are shown here.</div>;
    return (
        <div className="metrics">
            <dl className="metrics-facts">
                <div><dt>Status</dt><dd className={last.success ? 'good' : 'bad'}>{statusLabel(last.status)}</dd></div>
                {facts(last).map(([name, value]) => (
                    <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
                ))}
            </dl>
            {last.artifacts.length > 0 && (
                <section className="metrics-artifacts" aria-label="Files written by the run">
                    <h2>Files written</h2>
                    <ul>{last.artifacts.map((file) => <li key={file.path}><code>{file.path}</code> {formatBytes(file.size)}</li>)}</ul>
                </section>
            )}
            {runs.length > 1 && <History runs={runs} />}
        </div>
    );
}
