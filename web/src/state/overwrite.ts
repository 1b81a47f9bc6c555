/** Carriage return and backspace within one line, as progress bars use them. */

function backspaced(text: string): string {
    const out: string[] = [];
    for (const character of text) {
        if (character === '\b') out.pop();
        else out.push(character);
    }
    return out.join('');
}

/**
 * A carriage return goes back to the line's beginning; what comes then lies over what was there. While the line may go on, the return
 * of a text that does not cover the line yet stays in it: what comes next goes on there.
 */
export function overwrite(line: string, open: boolean): string {
    if (!line.includes('\r') && !line.includes('\b')) return line;
    const text = line.includes('\b') ? backspaced(line) : line;
    if (!open) return flatten(text.replace(/\r+$/, ''));
    const at = text.lastIndexOf('\r');
    if (at < 0) return text;
    const under = flatten(text.slice(0, at));
    const over = text.slice(at + 1);
    return over !== '' && lay(over, under) === over ? over : `${under}\r${over}`;
}

const flatten = (text: string): string => text.split('\r').reduce((under, over) => (over === '' ? under : lay(over, under)));

function lay(over: string, under: string): string {
    // With colours in it, places cannot be counted in characters: the new text replaces the old.
    if (over.includes('\x1b') || under.includes('\x1b')) return over;
    return over.length >= under.length ? over : over + under.slice(over.length);
}
