import { formatBytes } from '../../state/format';
import type { SortKey, VariableRow } from '../../state/variables';

interface Props {
    caption: string;
    rows: readonly VariableRow[];
    sort: SortKey;
    descending: boolean;
    onSort: (key: SortKey) => void;
    selected: string | undefined;
    onSelect: (name: string) => void;
    showMemory: boolean;
    changed: readonly string[];
}

const HEADS: [SortKey, string][] = [['name', 'Name'], ['type', 'Type'], ['size', 'Size']];

export function VariableTable({ caption, rows, sort, descending, onSort, selected, onSelect, showMemory, changed }: Props) {
    const heads: [SortKey, string][] = showMemory ? [...HEADS, ['memory', 'Memory']] : HEADS;
    return (
        <table className="variable-table">
            {caption !== '' && <caption>{caption}</caption>}
            <thead>
                <tr>
                    {heads.map(([key, label]) => (
                        <th key={key} scope="col" aria-sort={sort === key ? (descending ? 'descending' : 'ascending') : 'none'} className={`col-${key}`}>
                            <button type="button" onClick={() => onSort(key)}>{label}{sort === key && <span aria-hidden="true">{descending ? ' ↓' : ' ↑'}</span>}</button>
                        </th>
                    ))}
                    <th scope="col" className="col-value">Value</th>
                </tr>
            </thead>
            <tbody>
                {rows.map((row) => (
                    <tr key={row.name} aria-selected={row.name === selected} className={changed.includes(row.name) ? 'changed' : ''} onClick={() => onSelect(row.name)}>
                        <th scope="row" className="col-name">
                            <button type="button" aria-expanded={row.name === selected} title={changed.includes(row.name) ? `${row.name}, set by the last run` : row.name}>{row.name}</button>
                        </th>
                        <td className="col-type">{row.type.replace(/^(numpy|pandas)\./, '')}</td>
                        <td className="col-size">{row.shape}</td>
                        {showMemory && <td className="col-memory">{formatBytes(row.memory)}</td>}
                        <td className="col-value">{row.preview}</td>
                    </tr>
                ))}
            </tbody>
        </table>
    );
}
