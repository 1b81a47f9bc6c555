/** The session's variables: a list to search and sort, and the chosen one in full. */

import { useState, type ReactNode } from 'react';
import type { VariableData } from '@penny/sandbox-client';
import { formatBytes, plural } from '../state/format';
import { groupByType, listVariables, type SortKey } from '../state/variables';
import { VariableDetail, type DetailActions } from './variables/VariableDetail';
import { VariableTable } from './variables/VariableTable';

export interface VariableInspectorProps extends DetailActions {
    variables: Readonly<Record<string, VariableData>>;
    onVariableSelect?: (name: string, data: VariableData) => void;
    className?: string;
    searchable?: boolean;
    groupByType?: boolean;
    showMemoryUsage?: boolean;
    /** Names to point out. */
    changed?: readonly string[];
    empty?: ReactNode;
}

export default function VariableInspector(props: VariableInspectorProps) {
    const { variables, className = '', searchable = true, showMemoryUsage = true } = props;
    const [query, setQuery] = useState('');
    const [sort, setSort] = useState<SortKey>('name');
    const [descending, setDescending] = useState(false);
    const [grouped, setGrouped] = useState(props.groupByType ?? false);
    const [selected, setSelected] = useState<string>();

    const count = Object.keys(variables).length;
    if (count === 0) return <div className={`inspector empty ${className}`}>{props.empty ?? 'Variables appear here after a run.'}</div>;

    const rows = listVariables(variables, query, sort, descending);
    const groups: [string, typeof rows][] = grouped ? groupByType(rows) : [['', rows]];
    const chosen = selected !== undefined && Object.hasOwn(variables, selected) ? variables[selected] : undefined;
    const select = (name: string) => {
        const data = variables[name];
        setSelected(name === selected ? undefined : name);
        if (data && name !== selected) props.onVariableSelect?.(name, data);
    };
    const sortBy = (key: SortKey) => {
        setDescending(key === sort ? !descending : key === 'size' || key === 'memory');
        setSort(key);
    };
    const memory = rows.reduce((sum, row) => sum + (row.memory ?? 0), 0);
    return (
        <div className={`inspector ${className}`}>
            <div className="inspector-bar">
                {searchable && <input type="search" value={query} placeholder="Search variables" aria-label="Search variables" onChange={(event) => setQuery(event.target.value)} />}
                <label className="check"><input type="checkbox" checked={grouped} onChange={(event) => setGrouped(event.target.checked)} /> By type</label>
                <span className="spacer" />
                <span className="quiet" aria-live="polite">{plural(rows.length, 'variable')}{showMemoryUsage && `, ${formatBytes(memory)}`}</span>
            </div>
            <div className="inspector-body">
                <div className="inspector-list">
                    {groups.map(([type, members]) => (
                        <VariableTable
                            key={type}
                            caption={type}
                            rows={members}
                            sort={sort}
                            descending={descending}
                            onSort={sortBy}
                            selected={selected}
                            onSelect={select}
                            showMemory={showMemoryUsage}
                            changed={props.changed ?? []}
                        />
                    ))}
                    {rows.length === 0 && <div className="empty">No variable matches.</div>}
                </div>
                {chosen && selected !== undefined && <VariableDetail key={selected} name={selected} data={chosen} onClose={() => setSelected(undefined)} {...props} />}
            </div>
        </div>
    );
}
