/** The caller's AbortSignal and a time limit, joined into the one signal that fetch takes. (AbortSignal.any came after Node 18.) */

import { AbortedError, RequestTimeoutError } from './errors.js';

export class Limit {
    private readonly controller = new AbortController();
    private timer: ReturnType<typeof setTimeout> | undefined;
    private passed: number | undefined;
    private readonly onAbort = () => this.controller.abort(this.outer?.reason);

    constructor(
        private readonly outer: AbortSignal | undefined,
        timeout: number,
    ) {
        if (outer?.aborted) this.onAbort();
        outer?.addEventListener('abort', this.onAbort, { once: true });
        if (timeout > 0) this.timer = setTimeout(() => this.expire(timeout), timeout);
    }

    get signal(): AbortSignal {
        return this.controller.signal;
    }

    private expire(timeout: number): void {
        this.passed = timeout;
        this.controller.abort(new RequestTimeoutError(timeout));
    }

    /** The answer has begun; what follows may take its time. */
    stopClock(): void {
        clearTimeout(this.timer);
    }

    /** Lets go of the caller's signal. */
    release(): void {
        this.stopClock();
        this.outer?.removeEventListener('abort', this.onAbort);
    }

    /** Ends the request, if it is still going on. */
    cancel(): void {
        this.release();
        this.controller.abort();
    }

    /** The typed error if it was this limit that ended the request, else undefined. */
    error(): AbortedError | RequestTimeoutError | undefined {
        if (this.outer?.aborted) return new AbortedError(this.outer.reason);
        return this.passed === undefined ? undefined : new RequestTimeoutError(this.passed);
    }
}

/** Waits, or throws AbortedError as soon as the signal fires. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
        const stop = () => {
            clearTimeout(timer);
            reject(new AbortedError(signal?.reason));
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener('abort', stop);
            resolve();
        }, ms);
        if (signal?.aborted) stop();
        else signal?.addEventListener('abort', stop, { once: true });
    });
}
