/** The panels for what this server has beyond running code. What it has not has no tab. */

import type { Tab } from '../components/ui/Tabs';
import type { SandboxState } from '../state/model';
import { FilesPanel } from './FilesPanel';
import { PackagesPanel } from './PackagesPanel';
import type { Sandbox } from './sandbox';
import { TimelinePanel } from './TimelinePanel';

export function usePanels(sandbox: Sandbox, state: SandboxState, code: () => string): Tab[] {
    const { features } = state;
    const tabs: Tab[] = [];
    if (features.files) tabs.push({ id: 'files', label: 'Files', content: () => <FilesPanel sandbox={sandbox} state={state} /> });
    if (features.packages) tabs.push({ id: 'packages', label: 'Packages', content: () => <PackagesPanel sandbox={sandbox} state={state} /> });
    if (features.checkpoints || features.rollback || features.fork) {
        tabs.push({ id: 'timeline', label: 'States', content: () => <TimelinePanel sandbox={sandbox} state={state} code={code} /> });
    }
    return tabs;
}
