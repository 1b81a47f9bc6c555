import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { compress } from './build/compress';
import { licenses } from './build/licenses';

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const client = fileURLToPath(new URL('../clients/typescript/src/index.ts', import.meta.url));
const server = process.env.PENNY_BASE_URL ?? 'http://127.0.0.1:3003';
const proxied = Object.fromEntries(['/api', '/health', '/openapi.json'].map((path) => [path, server]));

/** While developing, Vite puts a script into the page, which the page's policy forbids. */
const withoutPolicy = {
    name: 'without-policy',
    apply: 'serve' as const,
    transformIndexHtml: (html: string) => html.replace(/<meta\s+http-equiv="Content-Security-Policy"[^>]*>/, ''),
};

export default defineConfig({
    plugins: [react(), licenses(), compress(), withoutPolicy],
    resolve: { alias: { '@penny/sandbox-client': client } },
    server: { host: '127.0.0.1', port: 25173, proxy: proxied },
    // No asset inside a script or a style sheet: the page's policy wants each from its own address.
    build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 4000, rollupOptions: { input: [page('index.html'), page('docs.html')] } },
    worker: { format: 'es' },
    test: { environment: 'jsdom', testTimeout: 60_000, hookTimeout: 60_000, include: ['tests/**/*.test.{ts,tsx}'], setupFiles: ['tests/setup.ts'], restoreMocks: true },
});
