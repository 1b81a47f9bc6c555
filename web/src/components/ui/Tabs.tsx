/** A list of tabs as the keyboard expects it: arrows move, Home and End go to the ends. */

import { useId, useRef, type KeyboardEvent, type ReactNode } from 'react';

export interface Tab {
    id: string;
    label: string;
    count?: number | undefined;
    content: () => ReactNode;
}

interface Props {
    tabs: readonly Tab[];
    selected: string;
    onSelect: (id: string) => void;
    label: string;
    actions?: ReactNode;
}

export function Tabs({ tabs, selected, onSelect, label, actions }: Props) {
    const base = useId();
    const list = useRef<HTMLDivElement>(null);
    const current = tabs.find((tab) => tab.id === selected) ?? tabs[0];
    const move = (event: KeyboardEvent) => {
        const at = tabs.findIndex((tab) => tab.id === current?.id);
        const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        const index = (to + tabs.length) % tabs.length;
        onSelect(tabs[index]!.id);
        list.current?.querySelectorAll<HTMLElement>('[role=tab]')[index]?.focus();
    };
    return (
        <div className="tabs">
            <div className="tabs-bar">
                <div className="tabs-list" role="tablist" aria-label={label} ref={list} onKeyDown={move}>
                    {tabs.map((tab) => (
                        <button
                            key={tab.id}
                            type="button"
                            role="tab"
                            id={`${base}-tab-${tab.id}`}
                            aria-selected={tab === current}
                            aria-controls={`${base}-panel`}
                            tabIndex={tab === current ? 0 : -1}
                            className="tab"
                            onClick={() => onSelect(tab.id)}
                        >
                            {tab.label}
                            {tab.count ? <span className="tab-count">{tab.count > 999 ? '999+' : tab.count}</span> : null}
                        </button>
                    ))}
                </div>
                {actions && <div className="tabs-actions">{actions}</div>}
            </div>
            <div className="tabs-panel" role="tabpanel" id={`${base}-panel`} aria-labelledby={`${base}-tab-${current?.id}`}>
                {current?.content()}
            </div>
        </div>
    );
}
