/* The samples of README.md, each as a program of its own. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Sample {
    title: string;
    program: string;
}

/* What the samples say of each other: a client is there, and a session. */
const BEFORE = `const client = new SandboxClient({ baseUrl: 'http://localhost:3003' });
const session = client.session((await client.createSession()).id);
const started = await session.start('print(1)');
const executionId = started.executionId, lastEventId = '0';
`;

function program(block: string): string {
    const imports = [...block.matchAll(/^import .*$/gm)].map(([line]) => line);
    if (!imports.some((line) => line.includes('SandboxClient'))) imports.push("import { SandboxClient } from '@penny/sandbox-client';");
    const body = block.replace(/^import .*$/gm, '');
    return `${imports.join('\n')}\n${BEFORE}{\n${body}\n}\nawait session.delete();\n`;
}

export function readmeSamples(root: string): Sample[] {
    const text = readFileSync(join(root, 'README.md'), 'utf8');
    return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => {
        const title = [...text.slice(0, match.index).matchAll(/^## (.*)$/gm)].at(-1)![1]!;
        return { title, program: program(match[1]!) };
    });
}
