/** What this server can do, read from its own description. What it does not have is not shown. */

export interface Features {
    readonly variables: boolean;
    readonly variablePages: boolean;
    readonly variableExport: boolean;
    readonly variableDelete: boolean;
    readonly variableSet: boolean;
    readonly validate: boolean;
    readonly files: boolean;
    readonly upload: boolean;
    readonly packages: boolean;
    readonly install: boolean;
    readonly uninstall: boolean;
    readonly checkpoints: boolean;
    readonly rollback: boolean;
    readonly fork: boolean;
    readonly race: boolean;
    readonly notebook: boolean;
    readonly restart: boolean;
}

const ROUTES: Record<keyof Features, readonly [method: string, path: string]> = {
    variables: ['get', '/api/v1/sessions/{}/variables'],
    variablePages: ['get', '/api/v1/sessions/{}/variables/{}'],
    variableExport: ['get', '/api/v1/sessions/{}/variables/{}'],
    variableDelete: ['delete', '/api/v1/sessions/{}/variables/{}'],
    variableSet: ['put', '/api/v1/sessions/{}/variables'],
    validate: ['post', '/api/v1/validate'],
    files: ['get', '/api/v1/sessions/{}/files'],
    upload: ['put', '/api/v1/sessions/{}/files/{}'],
    packages: ['get', '/api/v1/packages'],
    install: ['post', '/api/v1/packages/install'],
    uninstall: ['post', '/api/v1/packages/uninstall'],
    checkpoints: ['post', '/api/v1/sessions/{}/checkpoints'],
    rollback: ['post', '/api/v1/sessions/{}/rollback'],
    fork: ['post', '/api/v1/sessions/{}/fork'],
    race: ['post', '/api/v1/sessions/{}/race'],
    notebook: ['get', '/api/v1/sessions/{}/notebook'],
    restart: ['post', '/api/v1/sessions/{}/restart'],
};

const NAMES = Object.keys(ROUTES) as (keyof Features)[];

function all(of: (name: keyof Features) => boolean): Features {
    return Object.fromEntries(NAMES.map((name) => [name, of(name)])) as unknown as Features;
}

export const NO_FEATURES: Features = all(() => false);

/** Parameters under one name, and paths as if there were no common part in `servers`. */
function canonical(path: string): string {
    return path.replace(/\{[^}]*\}/g, '{}').replace(/\/$/, '');
}

/** From an OpenAPI document, whatever its parameters are called. */
export function featuresOf(document: unknown): Features {
    const paths = (document as { paths?: Record<string, Record<string, unknown>> } | null)?.paths;
    if (paths === undefined || paths === null || typeof paths !== 'object') return NO_FEATURES;
    const known = new Map<string, Set<string>>();
    for (const [path, methods] of Object.entries(paths)) {
        const names = known.get(canonical(path)) ?? new Set<string>();
        Object.keys(methods ?? {}).forEach((method) => names.add(method.toLowerCase()));
        known.set(canonical(path), names);
    }
    const has = (method: string, path: string) => [path, path.replace('/api/v1', '')].some((one) => known.get(one)?.has(method) ?? false);
    return all((name) => has(...ROUTES[name]));
}
