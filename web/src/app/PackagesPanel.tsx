/** What is installed and what can be: search, install and see how far it is, uninstall. */

import { useEffect, useState } from 'react';
import type { InstallStep, InstalledPackages, PackageSummary, UninstalledPackages } from '@penny/sandbox-client';
import { IconButton } from '../components/ui/IconButton';
import { sessionId, type SandboxState } from '../state/model';
import { packageRows, stepShare, stepText, type PackageRow } from '../state/packages';
import type { Sandbox } from './sandbox';

const TYPING_MS = 250;

interface Found {
    readonly offered: readonly PackageSummary[];
    readonly own: readonly PackageSummary[];
}

/** `turn`: counts what may have changed the answer. */
function useFound(sandbox: Sandbox, id: string | undefined, query: string, turn: number): Found | undefined {
    const [found, setFound] = useState<Found>();
    useEffect(() => {
        const stop = new AbortController();
        const { signal } = stop;
        const ask = async () => {
            const [list, session] = await Promise.all([
                sandbox.client.getPackages(query === '' ? {} : { search: query }, { signal }),
                id === undefined ? { packages: [] } : sandbox.client.getSessionPackages(id, { signal }),
            ]);
            setFound({ offered: list.packages, own: session.packages });
        };
        const timer = setTimeout(() => {
            ask().catch((error: unknown) => {
                if (!signal.aborted) sandbox.dispatch({ type: 'notice', message: String(error) });
            });
        }, TYPING_MS);
        return () => {
            clearTimeout(timer);
            stop.abort();
        };
    }, [sandbox, id, query, turn]);
    return found;
}

function outcome(change: InstalledPackages | UninstalledPackages): string[] {
    const [verb, names] = 'installed' in change ? ['Installed', change.installed] : ['Uninstalled', change.uninstalled];
    const done = names.map((one) => `${verb} ${one.replace('==', ' ')}`);
    const failed = change.failed.map((one) => `${one.package || 'The installation'}: ${one.error}`);
    const again = change.restartNeeded?.length ? [`Imported already, and as before until the interpreter is restarted: ${change.restartNeeded.join(', ')}`] : [];
    return [...done, ...failed, ...again];
}

export function PackagesPanel({ sandbox, state }: { sandbox: Sandbox; state: SandboxState }) {
    const [query, setQuery] = useState('');
    const [turn, setTurn] = useState(0);
    const [working, setWorking] = useState<string>();
    const [step, setStep] = useState<InstallStep>();
    const [lines, setLines] = useState<readonly string[]>([]);
    const id = sessionId(state);
    const found = useFound(sandbox, id, query, turn);
    const change = async (name: string, work: () => Promise<InstalledPackages | UninstalledPackages | undefined>) => {
        setWorking(name);
        setLines([]);
        await sandbox.attempt(async () => {
            const answer = await work();
            if (answer) setLines(outcome(answer));
        });
        await sandbox.readModules();
        setWorking(undefined);
        setStep(undefined);
        setTurn((n) => n + 1);
    };
    const install = (name: string) =>
        change(name, async () =>
            sandbox.session?.installPackages([name], {
                onProgress: (event) => {
                    if (event.type === 'progress') setStep(event.data);
                },
            }),
        );
    const uninstall = (name: string) => change(name, async () => sandbox.session?.uninstallPackages([name]));
    const rows = found ? packageRows(found.offered, found.own, query) : [];
    return (
        <div className="packages">
            <div className="panel-bar">
                <input type="search" value={query} placeholder="Search packages" aria-label="Search packages" onChange={(event) => setQuery(event.target.value)} />
            </div>
            {working !== undefined && <Progress name={working} step={step} />}
            {lines.length > 0 && <pre className="install-log" role="status">{lines.join('\n')}</pre>}
            {found && rows.length === 0 && <div className="empty">No package of this name is allowed here.</div>}
            <ul className="package-list" aria-label="Packages">
                {rows.map((row) => (
                    <PackageLine key={row.name} row={row}>
                        {row.standing === 'installed' && state.features.uninstall && (
                            <IconButton icon="trash" label={`Uninstall ${row.name}`} disabled={!id || working !== undefined} onClick={() => void uninstall(row.name)} />
                        )}
                        {row.standing === 'available' && state.features.install && (
                            <IconButton icon="download" label={`Install ${row.name}`} text={working === row.name ? 'Installing…' : 'Install'} disabled={!id || working !== undefined} onClick={() => void install(row.name)} />
                        )}
                    </PackageLine>
                ))}
            </ul>
        </div>
    );
}

function Progress({ name, step }: { name: string; step: InstallStep | undefined }) {
    const text = step ? stepText(step) : `Asking for ${name}`;
    const share = step && stepShare(step);
    return (
        <div className="install-progress" role="status">
            <progress aria-label={`Progress of ${name}`} {...(share === undefined ? {} : { value: share })} />
            <span>{text}</span>
        </div>
    );
}

function PackageLine({ row, children }: { row: PackageRow; children: React.ReactNode }) {
    return (
        <li>
            <span className="package-facts">
                <strong>{row.name}</strong> <span className="quiet">{row.version}</span>
                <br />
                <span className="quiet">{row.description}</span>
            </span>
            {row.standing === 'always' && <span className="quiet">always there</span>}
            {row.standing === 'installed' && <span className="status status-ok">installed</span>}
            {children}
        </li>
    );
}
