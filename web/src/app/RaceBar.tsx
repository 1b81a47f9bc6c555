/** Several ways of doing the same thing, tried at once. */

import { useState } from 'react';
import type { Sandbox } from './sandbox';
import { partsOf, race } from './timeline';

const LIMIT_MS = 60_000;

export function RaceBar({ sandbox, idle, code }: { sandbox: Sandbox; idle: boolean; code: () => string }) {
    const [working, setWorking] = useState(false);
    const parts = partsOf(code());
    const start = async () => {
        setWorking(true);
        await sandbox.attempt(() => race(sandbox, parts, LIMIT_MS));
        setWorking(false);
    };
    return (
        <section className="race" aria-label="Race">
            <p className="quiet">Race: the parts of the program between lines <code># %%</code> run side by side in copies of this session. The first that succeeds becomes the session.</p>
            <button type="button" className="button" disabled={!idle || working || parts.length < 2} onClick={() => void start()}>
                {working ? 'Racing…' : parts.length < 2 ? 'The program has one part' : `Race ${parts.length} parts`}
            </button>
        </section>
    );
}
