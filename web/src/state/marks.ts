/** What /validate says, as marks in the editor. */

import type { ValidationResult } from '@penny/sandbox-client';
import type { Mark } from './model';

/** Whether the message speaks of this module or of one inside it. */
function names(message: string, module: string): boolean {
    return (message.match(/[\w.]+/g) ?? []).some((word) => word === module || word.startsWith(`${module}.`));
}

const ABOUT_IMPORTS = new Set(['not-allowed', 'not-installed']);

/** The service judges a program without its session. `modules`: what has been installed there, and so can be imported. */
export function marksOf(report: ValidationResult, modules: readonly string[] = []): Mark[] {
    const issues = Array.isArray(report.issues) ? report.issues : [];
    return issues
        .filter((issue) => typeof issue.line === 'number')
        .filter((issue) => !(ABOUT_IMPORTS.has(issue.rule ?? '') && modules.some((name) => names(issue.message, name))))
        .map((issue) => ({
            line: issue.line!,
            column: issue.column,
            message: issue.message,
            severity: issue.type === 'error' ? 'error' : issue.type === 'warning' && issue.severity !== 'low' ? 'warning' : 'info',
        }));
}
