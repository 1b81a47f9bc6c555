/** Answers input(): a line below the output. */

import { useEffect, useRef, useState } from 'react';
import type { Prompt } from '../../state/model';
import { stripAnsi } from '../../state/ansi';

/** Ctrl+D, as on a terminal. */
export const END_OF_INPUT = '\x04';

export function PromptLine({ prompt, onAnswer }: { prompt: Prompt; onAnswer: (text: string) => void }) {
    const [text, setText] = useState('');
    const input = useRef<HTMLInputElement>(null);
    useEffect(() => input.current?.focus(), []);
    const shown = stripAnsi(prompt.prompt);
    return (
        <form
            className="prompt-line"
            onSubmit={(event) => {
                event.preventDefault();
                onAnswer(text);
            }}
        >
            <label>
                <span className="prompt-text">{shown.trim() === '' ? '›' : shown}</span>
                <input
                    ref={input}
                    type={prompt.password ? 'password' : 'text'}
                    value={text}
                    autoComplete="off"
                    spellCheck={false}
                    aria-label={shown.trim() === '' ? 'The program waits for a line' : shown.trim()}
                    onChange={(event) => setText(event.target.value)}
                    onKeyDown={(event) => {
                        if (event.ctrlKey && event.key === 'd' && text === '') {
                            event.preventDefault();
                            onAnswer(END_OF_INPUT);
                        }
                    }}
                />
            </label>
            <button type="submit" className="button button-primary">Send</button>
        </form>
    );
}
