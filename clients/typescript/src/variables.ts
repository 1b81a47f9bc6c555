/** The variables of one session. */

import type { RequestOptions } from './config.js';
import type { Acknowledgement, ExportFormat, PagedVariable, SessionVariables, UpdatedVariables } from './session-types.js';
import { segment, type Query, type Transport } from './transport.js';
import type { VariableData } from './value-types.js';

export class Variables {
    private readonly path: string;

    constructor(
        private readonly transport: Transport,
        sessionPath: string,
    ) {
        this.path = `${sessionPath}/variables`;
    }

    private one(name: string): string {
        return `${this.path}/${segment(name)}`;
    }

    list(options?: RequestOptions): Promise<SessionVariables> {
        return this.transport.json({ method: 'GET', path: this.path, options });
    }

    /** Sets these and leaves the others. */
    set(variables: Record<string, any>, options?: RequestOptions): Promise<UpdatedVariables> {
        return this.transport.json({ method: 'PUT', path: this.path, json: variables, options });
    }

    clear(options?: RequestOptions): Promise<Acknowledgement> {
        return this.transport.json({ method: 'DELETE', path: this.path, options });
    }

    get(name: string, options?: RequestOptions): Promise<VariableData> {
        return this.transport.json({ method: 'GET', path: this.one(name), options });
    }

    /** Rows offset .. offset + limit of a DataFrame, Series, array or list. */
    page(name: string, offset: number, limit: number, options?: RequestOptions): Promise<PagedVariable> {
        return this.transport.json({ method: 'GET', path: this.one(name), query: { offset, limit }, options });
    }

    /** The whole value as a file's content. */
    export(name: string, format: ExportFormat, options?: RequestOptions & { offset?: number; limit?: number }): Promise<Uint8Array> {
        const query: Query = { format, offset: options?.offset, limit: options?.limit };
        return this.transport.bytes({ method: 'GET', path: this.one(name), query, options });
    }

    delete(name: string, options?: RequestOptions): Promise<Acknowledgement> {
        return this.transport.json({ method: 'DELETE', path: this.one(name), options });
    }
}
