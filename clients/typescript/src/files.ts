/** The files of one session's workspace. */

import type { RequestOptions } from './config.js';
import type { FileContent, FileList, UploadedFiles, WrittenFile } from './session-types.js';
import { segment, type Call, type Transport } from './transport.js';

/** ms that one file may take unless the options say otherwise. */
const TRANSFER_TIMEOUT = 600000;

export interface ReadOptions extends RequestOptions {
    /** Byte to begin with, and the one to end before. */
    start?: number;
    end?: number;
}

/** The path inside the workspace: `/workspace/a/b`, `./a/b` and `a/b` are one file. `..` is refused. */
export function workspacePath(path: string): string {
    const parts = path
        .replace(/^\/workspace(?=\/|$)/, '')
        .split('/')
        .filter((part) => part !== '' && part !== '.');
    return parts.map(segment).join('/');
}

function range(options: ReadOptions): Record<string, string> {
    const { start, end } = options;
    if (start === undefined && end === undefined) return {};
    if (end === undefined) return { Range: `bytes=${start}-` };
    if (end <= (start ?? 0)) throw new RangeError('end must be after start');
    return { Range: `bytes=${start ?? 0}-${end - 1}` };
}

export class Files {
    constructor(
        private readonly transport: Transport,
        private readonly sessionPath: string,
    ) {}

    private call(method: Call['method'], path: string, options?: RequestOptions): Call {
        const inside = workspacePath(path);
        if (inside === '') throw new TypeError(`${JSON.stringify(path)} is not the name of a file`);
        return { method, path: `${this.sessionPath}/files/${inside}`, options, timeout: TRANSFER_TIMEOUT };
    }

    private reading(path: string, options: ReadOptions): Call {
        return { ...this.call('GET', path, options), headers: range(options) };
    }

    list(path = '', options: RequestOptions & { depth?: number } = {}): Promise<FileList> {
        const query = { path: workspacePath(path) === '' ? undefined : path, depth: options.depth };
        return this.transport.json({ method: 'GET', path: `${this.sessionPath}/files`, query, options });
    }

    read(path: string, options: ReadOptions = {}): Promise<Uint8Array> {
        return this.transport.bytes(this.reading(path, options));
    }

    readText(path: string, options: ReadOptions = {}): Promise<string> {
        return this.transport.text(this.reading(path, options));
    }

    /** The file as it comes. Cancel the stream to stop early. */
    async stream(path: string, options: ReadOptions = {}): Promise<ReadableStream<Uint8Array>> {
        const { response, close } = await this.transport.open(this.reading(path, options));
        if (!response.body) close();
        return (response.body ?? new Blob([]).stream()).pipeThrough(new TransformStream({ flush: close }));
    }

    /** Size in bytes, and the ETag. */
    async stat(path: string, options?: RequestOptions): Promise<{ size: number; etag: string | null }> {
        const headers = await this.transport.headers(this.call('HEAD', path, options));
        return { size: Number(headers.get('content-length')), etag: headers.get('etag') };
    }

    write(path: string, content: FileContent, options?: RequestOptions): Promise<WrittenFile> {
        const headers = { 'Content-Type': 'application/octet-stream' };
        return this.transport.json({ ...this.call('PUT', path, options), body: content, headers });
    }

    /** Several files in one request. */
    upload(files: Record<string, string | Uint8Array | ArrayBuffer | Blob>, options?: RequestOptions): Promise<UploadedFiles> {
        const form = new FormData();
        for (const [path, content] of Object.entries(files)) {
            const blob = content instanceof Blob ? content : new Blob([content as BlobPart]);
            form.append('file', blob, decodeURIComponent(workspacePath(path)));
        }
        return this.transport.json({ method: 'POST', path: `${this.sessionPath}/files`, body: form, options, timeout: TRANSFER_TIMEOUT });
    }

    delete(path: string, options?: RequestOptions): Promise<any> {
        return this.transport.json(this.call('DELETE', path, options));
    }
}
