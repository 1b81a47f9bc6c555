/** Writes each text asset a second time, compressed, for the server to send as it is. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(html|js|css|svg|json|ttf)$/;

function files(directory: string): string[] {
    return readdirSync(directory).flatMap((name) => {
        const path = join(directory, name);
        return statSync(path).isDirectory() ? files(path) : [path];
    });
}

export function compress(): Plugin {
    let directory = 'dist';
    return {
        name: 'compress',
        apply: 'build',
        configResolved(config) {
            directory = join(config.root, config.build.outDir);
        },
        closeBundle() {
            for (const path of files(directory).filter((name) => TEXT.test(name))) {
                const content = readFileSync(path);
                const packed = gzipSync(content, { level: 9 });
                if (packed.length < content.length) writeFileSync(`${path}.gz`, packed);
            }
        },
    };
}
