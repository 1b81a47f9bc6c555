/** What /validate says, as marks in the editor. */

import type { ValidationResult } from '@penny/sandbox-client';
import type { Mark } from './model';

export function marksOf(report: ValidationResult): Mark[] {
    const issues = Array.isArray(report.issues) ? report.issues : [];
    return issues
        .filter((issue) => typeof issue.line === 'number')
        .map((issue) => ({
            line: issue.line!,
            column: issue.column,
            message: issue.message,
            severity: issue.type === 'error' ? 'error' : issue.type === 'warning' && issue.severity !== 'low' ? 'warning' : 'info',
        }));
}
