/** What survives a reload of the page: the session and its last run in this tab, the code and the theme in this browser. */

function read(area: () => Storage, key: string): string | undefined {
    try {
        return area().getItem(key) ?? undefined;
    } catch {
        return undefined; // Storage can be forbidden; then nothing survives.
    }
}

function write(area: () => Storage, key: string, value: string | undefined): void {
    try {
        if (value === undefined) area().removeItem(key);
        else area().setItem(key, value);
    } catch {
        // Forbidden or full: then nothing survives.
    }
}

const tab = () => sessionStorage;
const browser = () => localStorage;

export const kept = {
    get session() {
        return read(tab, 'penny.session');
    },
    set session(id: string | undefined) {
        write(tab, 'penny.session', id);
    },
    get execution() {
        return read(tab, 'penny.execution');
    },
    set execution(id: string | undefined) {
        write(tab, 'penny.execution', id);
    },
    get code() {
        return read(browser, 'penny.code');
    },
    set code(code: string | undefined) {
        write(browser, 'penny.code', code);
    },
    get theme() {
        return read(browser, 'penny.theme');
    },
    set theme(theme: string | undefined) {
        write(browser, 'penny.theme', theme);
    },
    /** The sessions of this tab. */
    get sessions() {
        return read(tab, 'penny.sessions')?.split(' ').filter(Boolean) ?? [];
    },
    set sessions(ids: readonly string[]) {
        write(tab, 'penny.sessions', ids.join(' '));
    },
    /** Whether the state is saved after each run. */
    get automatic() {
        return read(browser, 'penny.automatic') !== 'no';
    },
    set automatic(wanted: boolean) {
        write(browser, 'penny.automatic', wanted ? undefined : 'no');
    },
    get split() {
        return read(browser, 'penny.split');
    },
    set split(split: string | undefined) {
        write(browser, 'penny.split', split);
    },
};
