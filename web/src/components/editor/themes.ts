/** The editor's colours, those of the page. */

import type * as Monaco from 'monaco-editor/editor';

const LIGHT = ['647084', '7a3e9d', '0b6e4f', 'a0460c', '1d4f91', '20262e'] as const;
const DARK = ['8b96a8', 'c6a0f6', '8bd5a0', 'f0b080', '8ab8f5', 'd9dfe8'] as const;

function rules([comment, keyword, string, number, type, plain]: readonly [string, string, string, string, string, string]): Monaco.editor.ITokenThemeRule[] {
    return [
        { token: '', foreground: plain },
        { token: 'comment', foreground: comment, fontStyle: 'italic' },
        { token: 'keyword', foreground: keyword },
        { token: 'string', foreground: string },
        { token: 'number', foreground: number },
        { token: 'type', foreground: type },
        { token: 'tag', foreground: type },
    ];
}

function suggest(background: string, border: string, selected: string, text: string, hit: string): Monaco.editor.IColors {
    return {
        'editorSuggestWidget.background': background,
        'editorSuggestWidget.border': border,
        'editorSuggestWidget.foreground': text,
        'editorSuggestWidget.selectedBackground': selected,
        'editorSuggestWidget.selectedForeground': text,
        'editorSuggestWidget.selectedIconForeground': text,
        'editorSuggestWidget.highlightForeground': hit,
        'editorSuggestWidget.focusHighlightForeground': hit,
    };
}

export function defineThemes(monaco: typeof Monaco): void {
    monaco.editor.defineTheme('penny-light', {
        base: 'vs',
        inherit: true,
        rules: rules(LIGHT),
        colors: { 'editor.background': '#ffffff', 'editorLineNumber.foreground': '#a4adba', 'editor.lineHighlightBackground': '#f4f6f9', ...suggest('#ffffff', '#c6ccd6', '#e4eefa', '#20262e', '#1d5fa8') },
    });
    monaco.editor.defineTheme('penny-dark', {
        base: 'vs-dark',
        inherit: true,
        rules: rules(DARK),
        colors: { 'editor.background': '#14181f', 'editorLineNumber.foreground': '#566072', 'editor.lineHighlightBackground': '#1b212a', ...suggest('#1a1f28', '#3b4554', '#1c2c42', '#d9dfe8', '#5b9fe8') },
    });
}
