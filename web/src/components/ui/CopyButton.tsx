import { useEffect, useState } from 'react';
import { copyText } from './download';
import { IconButton } from './IconButton';

export function CopyButton({ text, label }: { text: () => string; label: string }) {
    const [copied, setCopied] = useState(false);
    useEffect(() => {
        if (!copied) return undefined;
        const timer = setTimeout(() => setCopied(false), 1500);
        return () => clearTimeout(timer);
    }, [copied]);
    return <IconButton icon={copied ? 'check' : 'copy'} label={copied ? 'Copied' : label} onClick={() => void copyText(text()).then(setCopied)} />;
}
