/** One variable in full: what is known of it, a table where it is one, and what can be done with it. */

import { useState } from 'react';
import type { VariableData } from '@penny/sandbox-client';
import { formatBytes, formatCount } from '../../state/format';
import { cellText, isEditable, shapeText, tableOf } from '../../state/variables';
import { IconButton } from '../ui/IconButton';
import { DataTable, type LoadPage } from './DataTable';
import { ScalarEditor } from './ScalarEditor';

export interface DetailActions {
    onVariableDelete?: ((name: string) => void) | undefined;
    onVariableExport?: ((name: string, format: 'json' | 'csv' | 'pickle') => void) | undefined;
    /** Sets a scalar. Rejects with what went wrong. */
    onVariableEdit?: ((name: string, value: string | number | boolean) => Promise<void>) | undefined;
    loadPage?: LoadPage | undefined;
}

interface Props extends DetailActions {
    name: string;
    data: VariableData;
    onClose: () => void;
}

function facts(data: VariableData): [string, string][] {
    const statistics = data.statistics ?? {};
    const list: [string, string][] = [['Type', data.type]];
    if (data.module) list.push(['Module', data.module]);
    if (shapeText(data) !== '') list.push([Array.isArray(data.shape) ? 'Shape' : 'Length', shapeText(data)]);
    if (data.dtype) list.push(['dtype', data.dtype]);
    const memory = data.memory_usage ?? data.size;
    if (memory !== undefined) list.push(['Memory', formatBytes(memory)]);
    for (const [name, value] of Object.entries(statistics)) {
        list.push([name, name === 'sampled' ? formatCount(Number(value)) : cellText(value)]);
    }
    return list;
}

function wholeText(data: VariableData): string {
    if (data.error) return data.error;
    if (typeof data.value === 'string') return data.value;
    if (data.value !== undefined) return JSON.stringify(data.value, null, 2);
    if (typeof data.repr === 'string') return data.repr;
    return data.preview === undefined ? '' : typeof data.preview === 'string' ? data.preview : JSON.stringify(data.preview, null, 2);
}

const isTabular = (data: VariableData): boolean => /^(pandas|numpy)\./.test(data.type) && (data.shape?.length ?? 1) <= 2;

export function VariableDetail({ name, data, onClose, onVariableDelete, onVariableExport, onVariableEdit, loadPage }: Props) {
    const [editing, setEditing] = useState(false);
    const listed = isTabular(data) || ((data.type === 'list' || data.type === 'tuple') && (data.length ?? 0) > 10);
    const table = listed ? tableOf(data) : undefined;
    return (
        <section className="variable-detail" aria-label={`Variable ${name}`}>
            <header>
                <h2>{name}</h2>
                <span className="spacer" />
                {onVariableEdit && isEditable(data) && !editing && <button type="button" className="button" onClick={() => setEditing(true)}>Edit</button>}
                {onVariableExport && (table ? (['csv', 'json'] as const) : (['json'] as const)).map((format) => (
                    <IconButton key={format} icon="download" label={`Export as ${format.toUpperCase()}`} text={format.toUpperCase()} onClick={() => onVariableExport(name, format)} />
                ))}
                {onVariableDelete && <IconButton icon="trash" label={`Delete ${name}`} onClick={() => onVariableDelete(name)} />}
                <IconButton icon="close" label="Close the details" onClick={onClose} />
            </header>
            <dl className="facts">{facts(data).map(([fact, value]) => <div key={fact}><dt>{fact}</dt><dd>{value}</dd></div>)}</dl>
            {editing && onVariableEdit && <ScalarEditor data={data} onSet={(value) => onVariableEdit(name, value)} onDone={() => setEditing(false)} />}
            {table ? <DataTable name={name} data={data} first={table} loadPage={loadPage} /> : !editing && <pre className="variable-text">{wholeText(data)}</pre>}
        </section>
    );
}
