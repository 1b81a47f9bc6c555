/** The packages of a session beside those that it can have, and how far an installation is. */

import type { InstallStep, PackageSummary } from '@penny/sandbox-client';

export type Standing = 'always' | 'installed' | 'available';

export interface PackageRow {
    readonly name: string;
    readonly version: string;
    readonly description: string;
    readonly standing: Standing;
}

/** Packaging's own rule for when two names are one. */
export const normal = (name: string): string => name.toLowerCase().replace(/[-_.]+/g, '-');

const RANK: Record<Standing, number> = { installed: 0, available: 1, always: 2 };

/** `offered`: what a search has found. `own`: what this session has been given, and so does not lack. */
export function packageRows(offered: readonly PackageSummary[], own: readonly PackageSummary[], query: string): PackageRow[] {
    const given = new Map(own.filter((one) => !one.preinstalled).map((one) => [normal(one.name), one]));
    const rows = new Map<string, PackageRow>();
    for (const one of offered) {
        const mine = given.get(normal(one.name));
        const standing = one.preinstalled ? 'always' : mine ? 'installed' : 'available';
        rows.set(normal(one.name), { name: one.name, version: mine?.version ?? one.version, description: one.description ?? '', standing });
    }
    for (const [key, one] of given) {
        // What came as a dependency need not be in the list of what can be asked for.
        if (rows.has(key) || !key.includes(normal(query.trim()))) continue;
        rows.set(key, { name: one.name, version: one.version, description: one.description ?? '', standing: 'installed' });
    }
    return [...rows.values()].sort((a, b) => RANK[a.standing] - RANK[b.standing] || a.name.localeCompare(b.name));
}

const PHASES: Record<InstallStep['phase'], string> = { resolving: 'Looking for', downloading: 'Downloading', installing: 'Installing' };

export function stepText(step: InstallStep): string {
    return `${PHASES[step.phase] ?? step.phase} ${step.package}`;
}

/** 0 to 1; undefined while nobody can say. */
export function stepShare({ bytes, total }: InstallStep): number | undefined {
    if (bytes === undefined || total === undefined || total <= 0) return undefined;
    return Math.min(1, bytes / total);
}
