/** Asks for the marks of the code a moment after it was changed last. An answer to older code is dropped. */

import { useEffect, useRef } from 'react';
import type { Mark } from '../../state/model';

export type Validate = (code: string, signal: AbortSignal) => Promise<readonly Mark[]>;

export const VALIDATION_DELAY_MS = 500;

export function useValidation(code: string, validate: Validate | undefined, show: (marks: readonly Mark[]) => void): void {
    const shown = useRef(show);
    shown.current = show;
    useEffect(() => {
        if (!validate) return shown.current([]);
        const stop = new AbortController();
        const ask = async () => {
            try {
                const marks = code.trim() === '' ? [] : await validate(code, stop.signal);
                if (!stop.signal.aborted) shown.current(marks);
            } catch {
                // The marks are a help while typing; whatever is wrong with the code or the service shows when it is run.
            }
        };
        const timer = setTimeout(() => void ask(), VALIDATION_DELAY_MS);
        return () => {
            clearTimeout(timer);
            stop.abort();
        };
    }, [code, validate]);
}
