/** What is installed and what can be: search, install with the installer's own words. */

import { useEffect, useState } from 'react';
import type { InstallProgress, PackageInfo } from '@penny/sandbox-client';
import { IconButton } from '../components/ui/IconButton';
import { sessionId, type SandboxState } from '../state/model';
import type { Sandbox } from './sandbox';

const TYPING_MS = 250;

function usePackages(sandbox: Sandbox, query: string, turn: number): PackageInfo[] {
    const [packages, setPackages] = useState<PackageInfo[]>([]);
    useEffect(() => {
        const stop = new AbortController();
        const timer = setTimeout(() => {
            sandbox.client.getPackages(query === '' ? {} : { search: query }, { signal: stop.signal }).then(
                (list) => setPackages(list.packages),
                (error: unknown) => { if (!stop.signal.aborted) sandbox.dispatch({ type: 'notice', message: String(error) }); },
            );
        }, TYPING_MS);
        return () => {
            clearTimeout(timer);
            stop.abort();
        };
    }, [sandbox, query, turn]);
    return packages;
}

export function progressLine(event: InstallProgress): string {
    const { data } = event;
    if (typeof data === 'string') return data.replace(/\n$/, '');
    return typeof data?.message === 'string' ? data.message : typeof data?.line === 'string' ? data.line : '';
}

export function PackagesPanel({ sandbox, state }: { sandbox: Sandbox; state: SandboxState }) {
    const [query, setQuery] = useState('');
    const [turn, setTurn] = useState(0);
    const [working, setWorking] = useState<string>();
    const [lines, setLines] = useState<string[]>([]);
    const packages = usePackages(sandbox, query, turn);
    const id = sessionId(state);
    const install = async (name: string) => {
        setWorking(name);
        setLines([]);
        const onProgress = (event: InstallProgress) => {
            const line = progressLine(event);
            if (line !== '') setLines((before) => [...before.slice(-200), line]);
        };
        await sandbox.attempt(async () => {
            const answer = await sandbox.session?.installPackages([name], { onProgress });
            for (const failure of answer?.failed ?? []) setLines((before) => [...before, `${failure.package}: ${failure.error}`]);
        });
        setWorking(undefined);
        setTurn((n) => n + 1);
    };
    return (
        <div className="packages">
            <div className="panel-bar">
                <input type="search" value={query} placeholder="Search packages" aria-label="Search packages" onChange={(event) => setQuery(event.target.value)} />
            </div>
            {lines.length > 0 && <pre className="install-log" aria-live="polite">{lines.join('\n')}</pre>}
            <ul className="package-list">
                {packages.map((one) => (
                    <li key={one.name}>
                        <span><strong>{one.name}</strong> <span className="quiet">{one.version}</span><br /><span className="quiet">{one.description}</span></span>
                        {one.installed ? <span className="status status-ok">installed</span> : state.features.install && (
                            <IconButton icon="download" label={`Install ${one.name}`} text={working === one.name ? 'Installing…' : 'Install'} disabled={!id || working !== undefined} onClick={() => void install(one.name)} />
                        )}
                    </li>
                ))}
            </ul>
            {packages.length === 0 && <div className="empty">No package of this name is allowed here.</div>}
        </div>
    );
}
