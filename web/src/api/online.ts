/** A fetch that tells whether requests get through. */

const DELAY_MS = 400;

export function watchedFetch(onChange: (online: boolean) => void): typeof fetch {
    let failing: ReturnType<typeof setTimeout> | undefined;
    const report = (through: boolean) => {
        if (through) {
            clearTimeout(failing);
            failing = undefined;
            onChange(true);
        } else failing ??= setTimeout(() => onChange(false), DELAY_MS);
    };
    return async (input, init) => {
        try {
            const response = await fetch(input, init);
            // What a proxy says for a service that is away.
            report(response.status !== 502 && response.status !== 504);
            return response;
        } catch (error) {
            if (!init?.signal?.aborted) report(false);
            throw error;
        }
    };
}
