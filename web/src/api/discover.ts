/** What this server can do: from its own description, or where it has none, by asking for one thing of each kind. */

import { NotFoundError, type SandboxClient, type SandboxSession } from '@penny/sandbox-client';
import { NO_FEATURES, featuresOf, type Features } from '../state/features';

/** Whether the route is there: any answer but 404 says so, also one that refuses what was asked. */
async function answers(ask: () => Promise<unknown>): Promise<boolean> {
    try {
        await ask();
        return true;
    } catch (error) {
        return !(error instanceof NotFoundError);
    }
}

async function probe(client: SandboxClient, session: SandboxSession): Promise<Features> {
    const [variables, files, checkpoints, packages, validate] = await Promise.all([
        answers(() => session.variables.list()),
        answers(() => session.files.list()),
        answers(() => session.listCheckpoints()),
        answers(() => client.getPackages()),
        answers(() => client.validateCode('pass')),
    ]);
    return {
        ...NO_FEATURES,
        variables,
        variableSet: variables,
        variablePages: variables,
        variableExport: variables,
        variableDelete: variables,
        files,
        upload: files,
        checkpoints,
        rollback: checkpoints,
        packages,
        install: packages,
        uninstall: packages,
        validate,
    };
}

export async function discover(client: SandboxClient, session: () => SandboxSession | undefined): Promise<Features> {
    try {
        return featuresOf(await client.getOpenApi());
    } catch (error) {
        const present = session();
        return error instanceof NotFoundError && present ? probe(client, present) : NO_FEATURES;
    }
}
