import { useState, type FormEvent } from 'react';
import type { VariableData } from '@penny/sandbox-client';
import { parseScalar } from '../../state/variables';

interface Props {
    data: VariableData;
    onSet: (value: string | number | boolean) => Promise<void>;
    onDone: () => void;
}

function initial(data: VariableData): string {
    return data.type === 'bool' ? (data.value ? 'True' : 'False') : String(data.value);
}

export function ScalarEditor({ data, onSet, onDone }: Props) {
    const [text, setText] = useState(() => initial(data));
    const [failure, setFailure] = useState<string>();
    const submit = async (event: FormEvent) => {
        event.preventDefault();
        try {
            await onSet(parseScalar(data.type, text));
            onDone();
        } catch (error) {
            setFailure(error instanceof Error ? error.message : String(error));
        }
    };
    return (
        <form className="scalar-editor" onSubmit={(event) => void submit(event)}>
            <input value={text} aria-label="New value" aria-invalid={failure !== undefined} autoFocus onChange={(event) => setText(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && onDone()} />
            <button type="submit" className="button button-primary">Set</button>
            <button type="button" className="button" onClick={onDone}>Cancel</button>
            {failure && <span className="bad" role="alert">{failure}</span>}
        </form>
    );
}
