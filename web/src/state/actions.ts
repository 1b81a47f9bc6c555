/** Everything that can happen to the page's state. */

import type { Checkpoint, PlotData, Session, StreamEvent, VariableData } from '@penny/sandbox-client';
import type { Features } from './features';
import type { TextKind } from './log';
import type { Sample } from './model';

export type Action =
    | { readonly type: 'sessionOpening' }
    | { readonly type: 'sessionOpened'; readonly id: string; readonly info?: Session }
    | { readonly type: 'sessionInfo'; readonly info: Session }
    | { readonly type: 'sessionFailed'; readonly message: string }
    | { readonly type: 'sessionClosed' }
    /** The service knows it no more. */
    | { readonly type: 'sessionLost'; readonly message: string }
    /** The interpreter is new; its variables are gone. */
    | { readonly type: 'restarted' }
    /** `keep`: the output of earlier runs stays, and `echo` is shown below it. */
    | { readonly type: 'runRequested'; readonly key: number; readonly at: number; readonly keep: boolean; readonly echo?: string }
    | { readonly type: 'events'; readonly key: number; readonly events: readonly StreamEvent[]; readonly at: number }
    | { readonly type: 'runBroken'; readonly key: number; readonly message: string }
    | { readonly type: 'stopRequested' }
    | { readonly type: 'answered'; readonly text: string }
    | { readonly type: 'text'; readonly kind: TextKind; readonly text: string }
    | { readonly type: 'sampled'; readonly sample: Sample }
    | { readonly type: 'online'; readonly online: boolean }
    | { readonly type: 'features'; readonly features: Features }
    | { readonly type: 'variables'; readonly variables: Record<string, VariableData> }
    | { readonly type: 'variableGone'; readonly name: string }
    | { readonly type: 'plotDeleted'; readonly index: number }
    | { readonly type: 'plots'; readonly plots: readonly PlotData[] }
    | { readonly type: 'checkpoints'; readonly checkpoints: readonly Checkpoint[] }
    | { readonly type: 'checkpointSaved'; readonly checkpoint: Checkpoint }
    | { readonly type: 'saveRefused'; readonly message: string }
    /** The session is in this saved state now. */
    | { readonly type: 'rolledBack'; readonly id: string }
    /** The interpreter's state has changed, other than by a run. */
    | { readonly type: 'moved' }
    | { readonly type: 'automatic'; readonly automatic: boolean }
    /** The sessions of this tab: that of the page and those it was copied from or to. */
    | { readonly type: 'sessions'; readonly ids: readonly string[] }
    /** What has been installed into the session can be imported under these names. */
    | { readonly type: 'modules'; readonly modules: readonly string[] }
    | { readonly type: 'outputCleared' }
    | { readonly type: 'markCleared' }
    | { readonly type: 'notice'; readonly message: string | undefined };
