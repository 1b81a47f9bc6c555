import { useCallback, useEffect, useState } from 'react';
import { kept } from '../api/kept';

export type Theme = 'light' | 'dark';

const query = () => window.matchMedia?.('(prefers-color-scheme: dark)');

/** The reader's choice, or the system's. */
export function useTheme(): [Theme, () => void] {
    const [chosen, setChosen] = useState(kept.theme);
    const [system, setSystem] = useState<Theme>(() => (query()?.matches ? 'dark' : 'light'));
    useEffect(() => {
        const media = query();
        const onChange = () => setSystem(media?.matches ? 'dark' : 'light');
        media?.addEventListener('change', onChange);
        return () => media?.removeEventListener('change', onChange);
    }, []);
    const theme: Theme = chosen === 'dark' || chosen === 'light' ? chosen : system;
    useEffect(() => {
        document.documentElement.dataset.theme = theme;
    }, [theme]);
    const toggle = useCallback(() => {
        const next = theme === 'dark' ? 'light' : 'dark';
        kept.theme = next;
        setChosen(next);
    }, [theme]);
    return [theme, toggle];
}
