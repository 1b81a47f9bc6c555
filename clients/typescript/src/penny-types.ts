/**
 * Types that PENNY's client declares and that no method of it ever returned. They are here so that code which names them
 * still compiles; the service's own answers are in the other files.
 */

import type { RiskLevel } from './service-types.js';

export interface SessionStatistics {
    executionCount: number;
    totalExecutionTime: number;
    averageExecutionTime: number;
    memoryUsage: { current: number; peak: number; average: number };
    cpuUsage: { current: number; average: number };
    variableCount: number;
    packageCount: number;
}

export interface PackageCategory {
    id: string;
    name: string;
    description: string;
    packages: string[];
}

export interface PackageDependency {
    name: string;
    version: string;
    optional: boolean;
    extras?: string[];
}

export interface PackageInstallOptions {
    force?: boolean;
    upgrade?: boolean;
    noDeps?: boolean;
    index?: string;
    timeout?: number;
}

export interface PackageInstallResult {
    package: string;
    success: boolean;
    version?: string;
    error?: string;
    logs?: string[];
    duration?: number;
}

export interface CodeComplexity {
    cyclomaticComplexity: number;
    linesOfCode: number;
    logicalLinesOfCode: number;
    maintainabilityIndex: number;
    halsteadMetrics?: {
        vocabulary: number;
        length: number;
        difficulty: number;
        effort: number;
        time: number;
        bugs: number;
    };
}

export interface SecurityViolation {
    type: 'import' | 'function' | 'pattern' | 'keyword';
    severity: RiskLevel;
    description: string;
    line?: number;
    column?: number;
    suggestion?: string;
}

export interface StyleIssue {
    type: 'naming' | 'spacing' | 'indentation' | 'line-length' | 'complexity';
    severity: 'error' | 'warning' | 'info';
    message: string;
    line: number;
    column?: number;
    fixable: boolean;
}

export interface CodeStyle {
    issues: StyleIssue[];
    score: number;
    maxScore: number;
}

export type SandboxEventType =
    | 'execution_started'
    | 'execution_completed'
    | 'execution_failed'
    | 'session_created'
    | 'session_destroyed'
    | 'package_installed'
    | 'package_uninstalled'
    | 'security_violation'
    | 'resource_limit_exceeded';

export interface SandboxEvent {
    type: SandboxEventType;
    timestamp: string;
    sessionId?: string;
    executionId?: string;
    data: any;
}

export type EventCallback<T = any> = (event: SandboxEvent & { data: T }) => void;

export const SUPPORTED_PYTHON_VERSIONS = ['3.11'] as const;
export type SupportedPythonVersion = (typeof SUPPORTED_PYTHON_VERSIONS)[number];
export const DEFAULT_TIMEOUT = 30000;
export const DEFAULT_MAX_MEMORY = 512 * 1024 * 1024;
export const DEFAULT_MAX_CPU = 50;
export const MAX_VARIABLE_SIZE = 1024 * 1024;
export const MAX_OUTPUT_SIZE = 10 * 1024 * 1024;
export const MAX_PLOT_SIZE = 5 * 1024 * 1024;
