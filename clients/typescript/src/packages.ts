/** Packages: what there is, and installing into a session. */

import type { RequestOptions } from './config.js';
import { SseConnection } from './connection.js';
import { ProtocolError, StreamFailedError, StreamLostError } from './errors.js';
import { Parts, type WireEvent } from './parts.js';
import type {
    InstallProgress,
    InstalledPackages,
    PackageInfo,
    PackageList,
    PackageQuery,
    SessionPackages,
    UninstalledPackages,
} from './service-types.js';
import { segment, type Call, type Transport } from './transport.js';

/** ms that an installation may take; the service has its own limit. */
const INSTALL_TIMEOUT = 300000;

export interface InstallOptions extends RequestOptions {
    force?: boolean;
    /** Told what the installer does while it does it. */
    onProgress?: (event: InstallProgress) => unknown;
}

export class Packages {
    constructor(private readonly transport: Transport) {}

    list(query: PackageQuery = {}, options?: RequestOptions): Promise<PackageList> {
        const { search, category, installed } = query;
        const wanted = { search: search || undefined, category: category || undefined, installed };
        return this.transport.json({ method: 'GET', path: '/api/v1/packages', query: wanted, options });
    }

    get(name: string, options?: RequestOptions): Promise<PackageInfo> {
        return this.transport.json({ method: 'GET', path: `/api/v1/packages/${segment(name)}`, options });
    }

    installed(sessionId: string, options?: RequestOptions): Promise<SessionPackages> {
        return this.transport.json({ method: 'GET', path: `/api/v1/packages/session/${segment(sessionId)}`, options });
    }

    install(sessionId: string, packages: string[], options: InstallOptions = {}): Promise<InstalledPackages> {
        const json = { sessionId, packages, force: options.force ?? false };
        const call: Call = { method: 'POST', path: '/api/v1/packages/install', json, options, timeout: INSTALL_TIMEOUT };
        return options.onProgress ? this.follow(call, options.onProgress) : this.transport.json(call);
    }

    uninstall(sessionId: string, packages: string[], options?: RequestOptions): Promise<UninstalledPackages> {
        const json = { sessionId, packages };
        return this.transport.json({ method: 'POST', path: '/api/v1/packages/uninstall', json, options, timeout: INSTALL_TIMEOUT });
    }

    private async follow(call: Call, onProgress: (event: InstallProgress) => unknown): Promise<InstalledPackages> {
        const answer = await this.transport.open({ ...call, headers: { Accept: 'text/event-stream' } });
        const connection = new SseConnection(answer, this.transport.config.streamIdleTimeout);
        try {
            for (const parts = new Parts(); ; ) {
                const messages = await connection.next();
                if (!messages) throw new StreamLostError('The installation was cut off; ask for the packages of the session to see what it did');
                for (const message of messages) {
                    const event = parts.add(parseEvent(message.data)) as InstallProgress | undefined;
                    if (!event) continue;
                    await onProgress(event);
                    if (event.type === 'complete') return event.data;
                    if (event.type === 'error') throw new StreamFailedError(event.data?.message ?? 'The installation failed', event.data);
                }
            }
        } finally {
            connection.close();
        }
    }
}

function parseEvent(data: string): WireEvent {
    try {
        return JSON.parse(data);
    } catch {
        throw new ProtocolError('The data of an event is not JSON', data.slice(0, 1024));
    }
}
