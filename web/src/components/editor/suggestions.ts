/** Completion for Python. There is one provider for all editors; each editor's model brings its own names. */

import type * as Monaco from 'monaco-editor/editor';
import { complete } from '../../state/completion';
import type { VariableData } from '@penny/sandbox-client';

export type NamesSource = () => Readonly<Record<string, VariableData>>;

const sources = new WeakMap<object, NamesSource>();
let registered = false;

export function setNames(model: Monaco.editor.ITextModel, names: NamesSource): void {
    sources.set(model, names);
}

export function registerSuggestions(monaco: typeof Monaco): void {
    if (registered) return;
    registered = true;
    const kinds = monaco.languages.CompletionItemKind;
    const KIND = { variable: kinds.Variable, keyword: kinds.Keyword, function: kinds.Function, field: kinds.Field };
    monaco.languages.registerCompletionItemProvider('python', {
        triggerCharacters: ['"', "'"],
        provideCompletionItems(model, position) {
            const word = model.getWordUntilPosition(position);
            const range = new monaco.Range(position.lineNumber, word.startColumn, position.lineNumber, word.endColumn);
            const before = model.getLineContent(position.lineNumber).slice(0, position.column - 1);
            const entries = complete(sources.get(model)?.() ?? {}, before);
            const suggestions = entries.map((entry) => ({
                label: entry.detail === undefined ? entry.label : { label: entry.label, description: entry.detail },
                kind: KIND[entry.kind],
                insertText: entry.label,
                documentation: entry.documentation,
                sortText: `${entry.kind === 'variable' || entry.kind === 'field' ? '0' : '1'}${entry.label}`,
                range,
            }));
            return { suggestions };
        },
    });
}
