/** The session's workspace: look around, download, upload by button or by dropping, delete. */

import { useCallback, useEffect, useRef, useState, type DragEvent } from 'react';
import type { FileEntry } from '@penny/sandbox-client';
import { downloadBlob } from '../components/ui/download';
import { Icon } from '../components/ui/Icon';
import { IconButton } from '../components/ui/IconButton';
import { formatBytes } from '../state/format';
import { isBusy, sessionId, type SandboxState } from '../state/model';
import type { Sandbox } from './sandbox';

const join = (folder: string, name: string) => (folder === '' ? name : `${folder}/${name}`);
const sorted = (entries: FileEntry[]) => [...entries].sort((a, b) => Number(b.type === 'directory') - Number(a.type === 'directory') || a.name.localeCompare(b.name));

function useFolder(sandbox: Sandbox, state: SandboxState) {
    const [path, setPath] = useState('');
    const [entries, setEntries] = useState<FileEntry[]>([]);
    const id = sessionId(state);
    const busy = isBusy(state);
    const load = useCallback(async () => {
        const { session } = sandbox;
        if (session) setEntries(sorted((await session.files.list(path)).entries));
    }, [sandbox, path]);
    useEffect(() => setPath(''), [id]);
    useEffect(() => {
        if (id !== undefined && !busy) void sandbox.attempt(load);
    }, [sandbox, load, id, busy]);
    return { path, setPath, entries, load };
}

export function FilesPanel({ sandbox, state }: { sandbox: Sandbox; state: SandboxState }) {
    const { path, setPath, entries, load } = useFolder(sandbox, state);
    const [over, setOver] = useState(false);
    const chooser = useRef<HTMLInputElement>(null);
    const files = () => sandbox.session?.files;
    const upload = (list: FileList | null) =>
        void sandbox.attempt(async () => {
            for (const file of list ?? []) await files()?.write(join(path, file.name), file);
            await load();
        });
    const open = (entry: FileEntry) =>
        entry.type === 'directory'
            ? setPath(join(path, entry.name))
            : void sandbox.attempt(async () => {
                  const content = await files()?.read(join(path, entry.name));
                  if (content) downloadBlob(new Blob([content as BlobPart]), entry.name);
              });
    const remove = (entry: FileEntry) =>
        void sandbox.attempt(async () => {
            await files()?.delete(join(path, entry.name));
            await load();
        });
    const onDrop = (event: DragEvent) => {
        event.preventDefault();
        setOver(false);
        upload(event.dataTransfer.files);
    };
    const writable = state.features.upload;
    return (
        <div className={`files ${over ? 'files-over' : ''}`} onDragOver={(event) => { if (writable) { event.preventDefault(); setOver(true); } }} onDragLeave={() => setOver(false)} onDrop={writable ? onDrop : undefined}>
            <div className="panel-bar">
                <nav aria-label="Folder">
                    <button type="button" className="link" onClick={() => setPath('')}>workspace</button>
                    {path.split('/').filter(Boolean).map((name, i, all) => <span key={i}> / <button type="button" className="link" onClick={() => setPath(all.slice(0, i + 1).join('/'))}>{name}</button></span>)}
                </nav>
                <span className="spacer" />
                {writable && <IconButton icon="upload" label="Upload files" text="Upload" onClick={() => chooser.current?.click()} />}
                <IconButton icon="restart" label="Read the folder again" onClick={() => void sandbox.attempt(load)} />
                <input ref={chooser} type="file" multiple hidden aria-label="Files to upload" onChange={(event) => { upload(event.target.files); event.target.value = ''; }} />
            </div>
            {entries.length === 0 ? <div className="empty">{writable ? 'No files. Drop some here.' : 'No files.'}</div> : (
                <ul className="file-list">
                    {entries.map((entry) => (
                        <li key={entry.name}>
                            <button type="button" className="file-name" onClick={() => open(entry)}><Icon name={entry.type === 'directory' ? 'folder' : 'file'} />{entry.name}</button>
                            <span className="quiet">{entry.type === 'directory' ? '' : formatBytes(entry.size)}</span>
                            {writable && <IconButton icon="trash" label={`Delete ${entry.name}`} onClick={() => remove(entry)} />}
                        </li>
                    ))}
                </ul>
            )}
        </div>
    );
}
