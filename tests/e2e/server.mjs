// A server of our own, and a wire to it that can be cut.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where it says that it is. */
function ready(child) {
    return new Promise((resolve, reject) => {
        let said = '';
        child.stdout.setEncoding('utf8').on('data', (text) => {
            said = (said + text).slice(-10_000);
            const place = /is ready at (http\S+)\n/.exec(said);
            if (place) resolve(place[1]);
        });
        child.on('exit', (code) => reject(new Error(`The server ended with ${code}: ${said}`)));
        setTimeout(() => reject(new Error(`The server is not ready: ${said}`)), 60_000).unref();
    });
}

/** What a process calls itself; it may be gone by now. */
function nameOf(pid) {
    try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
    } catch {
        return undefined;
    }
}

/** build/penny-sandbox on a port that it finds free itself. */
export async function startServer(extra = []) {
    const program = process.env.PENNY_PROGRAM ?? `${root}build/penny-sandbox`;
    const more = process.env.PENNY_ARGUMENTS ? process.env.PENNY_ARGUMENTS.split(' ') : [];
    const child = spawn(program, ['--port=0', '--host=127.0.0.1', `--web-dir=${root}web/dist`, ...more, ...extra], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const url = await ready(child);
    return {
        url,
        pid: child.pid,
        /** The process that speaks HTTP, by the name that it gives itself; undefined unless there is one. */
        serverPid: () => {
            const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
            return children.find((pid) => nameOf(pid) === 'penny-server');
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
