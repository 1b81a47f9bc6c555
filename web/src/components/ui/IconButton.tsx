import type { ButtonHTMLAttributes } from 'react';
import { Icon, type IconName } from './Icon';

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
    icon: IconName;
    /** The name, for those who do not see the icon, and the tooltip for those who do. */
    label: string;
    text?: string;
}

export function IconButton({ icon, label, text, className = '', ...rest }: Props) {
    return (
        <button type="button" className={`button ${text ? '' : 'button-icon'} ${className}`} aria-label={label} title={label} {...rest}>
            <Icon name={icon} />
            {text && <span className="button-text">{text}</span>}
        </button>
    );
}
