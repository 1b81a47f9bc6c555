/** The licences of what is built into the page, as a file beside it. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

const PACKAGES = ['react', 'react-dom', 'scheduler', 'monaco-editor', 'dompurify', 'marked', 'plotly.js-strict-dist-min', 'swagger-ui-dist'];

function licence(modules: string, name: string): string {
    const directory = join(modules, name);
    const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string };
    const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${name} has no licence file`);
    return `${name} ${version}\n\n${readFileSync(join(directory, file), 'utf8').trim()}\n`;
}

export function licenses(): Plugin {
    let modules = 'node_modules';
    return {
        name: 'licenses',
        apply: 'build',
        configResolved(config) {
            modules = join(config.root, 'node_modules');
        },
        generateBundle() {
            this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: PACKAGES.map((name) => licence(modules, name)).join(`\n${'-'.repeat(78)}\n\n`) });
        },
    };
}
