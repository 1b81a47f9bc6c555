/** Carriage return and backspace within one line, as progress bars use them. */

function backspaced(text: string): string {
    const out: string[] = [];
    for (const character of text) {
        if (character === '\b') out.pop();
        else out.push(character);
    }
    return out.join('');
}

/** A carriage return goes back to the line's beginning; what comes then lies over what was there. */
export function overwrite(line: string, open: boolean): string {
    if (!line.includes('\r') && !line.includes('\b')) return line;
    const text = line.includes('\b') ? backspaced(line) : line;
    const body = text.replace(/\r+$/, '');
    // While the line may go on, a return at its end waits for what comes.
    const waiting = open && body.length < text.length ? '\r' : '';
    const parts = body.split('\r');
    const shown = parts.reduce((under, over) => (over === '' ? under : lay(over, under)));
    return shown + waiting;
}

function lay(over: string, under: string): string {
    // With colours in it, places cannot be counted in characters: the new text replaces the old.
    if (over.includes('\x1b') || under.includes('\x1b')) return over;
    return over.length >= under.length ? over : over + under.slice(over.length);
}
