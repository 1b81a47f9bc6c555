// A server of our own, and a wire to it that can be cut.
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

async function freePort() {
    const probe = net.createServer();
    await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address();
    await new Promise((resolve) => probe.close(resolve));
    return port;
}

async function ready(url) {
    const until = Date.now() + 30_000;
    while (Date.now() < until) {
        const answer = await fetch(`${url}/ready`).catch(() => undefined);
        if (answer?.ok) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`The server is not ready at ${url}`);
}

/** Of a process that may be gone by now. */
function executable(pid) {
    try {
        return readlinkSync(`/proc/${pid}/exe`);
    } catch {
        return undefined;
    }
}

/** build/penny-sandbox on a free port. */
export async function startServer(extra = []) {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const program = process.env.PENNY_PROGRAM ?? `${root}build/penny-sandbox`;
    const more = process.env.PENNY_ARGUMENTS ? process.env.PENNY_ARGUMENTS.split(' ') : [];
    const child = spawn(program, [`--port=${port}`, '--host=127.0.0.1', `--web-dir=${root}web/dist`, ...more, ...extra], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await ready(url);
    return {
        url,
        pid: child.pid,
        /** The process that speaks HTTP: the supervisor's child of its own program. */
        serverPid: () => {
            const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
            const own = readlinkSync(`/proc/${child.pid}/exe`);
            return children.find((pid) => executable(pid) === own);
        },
        stop: async () => {
            child.kill('SIGTERM');
            const killed = setTimeout(() => child.kill('SIGTERM'), 3000);
            await ended;
            clearTimeout(killed);
        },
    };
}

/** Passes bytes on to the server until it is cut, and again when it is mended. */
export async function startWire(target) {
    const to = new URL(target);
    const sockets = new Set();
    let whole = true;
    let refused = 0;
    const server = net.createServer((client) => {
        if (!whole) {
            refused++;
            return client.destroy();
        }
        const upstream = net.connect(Number(to.port), to.hostname);
        for (const socket of [client, upstream]) {
            sockets.add(socket);
            socket.on('error', () => undefined);
            socket.on('close', () => {
                sockets.delete(socket);
                client.destroy();
                upstream.destroy();
            });
        }
        client.pipe(upstream).pipe(client);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        /** How many have tried since it was cut. */
        refused: () => refused,
        cut: () => {
            whole = false;
            refused = 0;
            for (const socket of sockets) socket.destroy();
        },
        mend: () => {
            whole = true;
        },
        stop: () => {
            for (const socket of sockets) socket.destroy();
            return new Promise((resolve) => server.close(resolve));
        },
    };
}
