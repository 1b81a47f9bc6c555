/** One live figure and how it went in the last minute. */

import type { Sample } from '../state/model';

const WIDTH = 56;
const HEIGHT = 18;

export function sparkline(values: readonly number[], top: number): string {
    const step = WIDTH / Math.max(1, values.length - 1);
    return values.map((value, i) => `${(i * step).toFixed(1)},${(HEIGHT - 1 - Math.min(1, value / top) * (HEIGHT - 2)).toFixed(1)}`).join(' ');
}

interface Props {
    label: string;
    samples: readonly Sample[];
    of: (sample: Sample) => number;
    /** The value at the upper edge, at least. */
    top: number;
    show: (value: number) => string;
}

export function Meter({ label, samples, of, top, show }: Props) {
    const values = samples.map(of);
    const last = values[values.length - 1];
    const points = sparkline(values, Math.max(top, ...values));
    return (
        <div className="meter" title={`${label} of this session`}>
            <span className="meter-label">{label}</span>
            <svg width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
                {values.length > 1 && <polyline points={points} />}
            </svg>
            <span className="meter-value">{last === undefined ? '–' : show(last)}</span>
        </div>
    );
}
