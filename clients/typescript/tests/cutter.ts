/* A TCP proxy that tears connections down: the n-th one after as many bytes of the answer as the plan says. */

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class Cutter {
    connections = 0;
    cuts = 0;
    private readonly sockets = new Set<Socket>();

    private constructor(
        private readonly server: Server,
        readonly url: string,
    ) {}

    /** `plan(n)`: bytes after which the n-th connection is cut, from 0; Infinity: never. */
    static async start(target: string, plan: (connection: number) => number): Promise<Cutter> {
        const { hostname, port } = new URL(target);
        const server = createServer((client) => cutter.join(client, connect(Number(port || 80), hostname), plan(cutter.connections++)));
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
        const cutter = new Cutter(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        return cutter;
    }

    private join(client: Socket, service: Socket, limit: number): void {
        let left = limit;
        const end = () => void [client, service].forEach((socket) => (socket.destroy(), this.sockets.delete(socket)));
        this.sockets.add(client).add(service);
        client.on('error', end).on('close', end).pipe(service);
        service.on('error', end).on('close', end).on('data', (data) => {
            const part = data.subarray(0, left);
            left -= part.length;
            if (left > 0) return void client.write(part);
            this.cuts++;
            service.pause();
            client.write(part, end);
        });
    }

    stop(): Promise<void> {
        for (const socket of this.sockets) socket.destroy();
        return new Promise((resolve) => this.server.close(() => resolve()));
    }
}
