/** What the inspector can do with this server. */

import { useMemo } from 'react';
import type { VariableInspectorProps } from '../components/VariableInspector';
import { downloadBlob } from '../components/ui/download';
import { isBusy, type SandboxState } from '../state/model';
import type { Sandbox } from './sandbox';

const TYPES = { json: 'application/json', csv: 'text/csv', pickle: 'application/octet-stream' } as const;

export function useInspector(sandbox: Sandbox, state: SandboxState): Partial<VariableInspectorProps> {
    const { features, changed } = state;
    const busy = isBusy(state);
    return useMemo(() => {
        const variables = () => {
            if (!sandbox.session) throw new Error('There is no session');
            return sandbox.session.variables;
        };
        const props: Partial<VariableInspectorProps> = { changed };
        if (features.variableDelete && !busy) {
            props.onVariableDelete = (name) =>
                void sandbox.attempt(async () => {
                    await variables().delete(name);
                    sandbox.dispatch({ type: 'variableGone', name });
                });
        }
        if (features.variableExport) {
            props.onVariableExport = (name, format) =>
                void sandbox.attempt(async () => {
                    const content = await variables().export(name, format);
                    downloadBlob(new Blob([content as BlobPart], { type: TYPES[format] }), `${name}.${format === 'pickle' ? 'pkl' : format}`);
                });
        }
        if (features.variableSet && !busy) {
            props.onVariableEdit = async (name, value) => {
                await variables().set({ [name]: value });
                sandbox.dispatch({ type: 'moved' });
                await sandbox.refresh();
            };
        }
        // While a run goes on, the service answers from the last saved state, where it saves states.
        if (features.variablePages && (!busy || features.checkpoints)) props.loadPage = (name, offset, limit, signal) => variables().page(name, offset, limit, { signal });
        return props;
    }, [sandbox, features, changed, busy]);
}
