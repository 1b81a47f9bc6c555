/** The one sandbox of the page, and what keeps it up to date. */

import { useEffect, useSyncExternalStore } from 'react';
import { isBusy, type SandboxState } from '../state/model';
import type { Sandbox } from './sandbox';

const BUSY_MS = 1000;
const IDLE_MS = 5000;

function poll(sandbox: Sandbox, period: number): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const again = async () => {
        // The figures are a help; while the service cannot be reached the session bar says so.
        if (!document.hidden) await sandbox.sample().catch(() => undefined);
        if (!over) timer = setTimeout(() => void again(), period);
    };
    timer = setTimeout(() => void again(), 300);
    return () => {
        over = true;
        clearTimeout(timer);
    };
}

export function useSandboxState(sandbox: Sandbox): SandboxState {
    return useSyncExternalStore(sandbox.store.subscribe, sandbox.store.get);
}

export function useLiveFigures(sandbox: Sandbox, state: SandboxState): void {
    const period = isBusy(state) ? BUSY_MS : IDLE_MS;
    const ready = state.session.phase === 'ready';
    useEffect(() => (ready ? poll(sandbox, period) : undefined), [sandbox, ready, period]);
}
