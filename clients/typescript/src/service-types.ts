/** Validation, packages and the service itself. */

export type RiskLevel = 'low' | 'medium' | 'high' | 'critical';

export interface ValidationIssue {
    type: 'error' | 'warning' | 'info';
    severity: RiskLevel;
    message: string;
    line?: number;
    column?: number;
    rule?: string;
}

export interface Suggestion {
    type: 'performance' | 'security' | 'style' | 'best-practice';
    message: string;
    line?: number;
}

export interface ValidationResult {
    valid: boolean;
    issues: ValidationIssue[];
    security: { allowed: boolean; riskLevel: RiskLevel; violations: string[] };
    analysis: {
        complexity: number;
        linesOfCode: number;
        imports: string[];
        functions: string[];
        variables: string[];
        hasHighRiskPatterns: boolean;
        /** ms */
        estimatedExecutionTime: number;
    };
    suggestions: Suggestion[];
}

export interface ValidationOptions {
    strict?: boolean;
    includeWarnings?: boolean;
    /** As this session would judge it: its profile, its names, the packages it has installed. */
    sessionId?: string;
}

export interface SecurityReport {
    allowed: boolean;
    riskLevel: RiskLevel;
    violations: string[];
    details: { blockedImports: string[]; dangerousPatterns: string[]; restrictedKeywords: string[] };
}

export interface SyntaxReport {
    valid: boolean;
    errors: Array<{ message: string; line: number; column: number; type: string }>;
}

/** A package as lists have it; what the service does not know yet is left out. */
export interface PackageSummary {
    name: string;
    /** Empty when nobody has installed it yet: the index decides. */
    version: string;
    description?: string;
    dependencies?: string[];
    /** bytes */
    size?: number;
    installed: boolean;
    /** Every session has it. */
    preinstalled?: boolean;
    category: string;
    /** Of a session's own: what can be imported, and whether it was asked for or came as a dependency. */
    modules?: string[];
    requested?: boolean;
}

export interface PackageInfo extends PackageSummary {
    description: string;
    author?: string;
    license?: string;
    homepage?: string;
    repository?: string;
    dependencies: string[];
    size: number;
    allowedVersions: string[];
    securityRating: 'safe' | 'caution' | 'restricted' | 'blocked';
}

export interface PackageQuery {
    search?: string;
    category?: string;
    installed?: boolean;
}

export interface PackageList {
    packages: PackageSummary[];
    total: number;
    categories: string[];
}

export interface PackageFailure {
    package: string;
    error: string;
}

export interface InstalledPackages {
    success: boolean;
    /** name==version, dependencies too */
    installed: string[];
    failed: PackageFailure[];
    logs: string[];
    /** Modules that are imported already, and stay as they are until the session is restarted. */
    restartNeeded?: string[];
}

export interface UninstalledPackages {
    success: boolean;
    uninstalled: string[];
    failed: PackageFailure[];
    logs: string[];
    restartNeeded?: string[];
}

export interface SessionPackages {
    sessionId: string;
    packages: PackageSummary[];
}

export interface InstallStep {
    phase: 'resolving' | 'downloading' | 'installing';
    package: string;
    /** Of a download: bytes so far, and in all (about). */
    bytes?: number;
    total?: number;
}

/** One event of a running installation; the last one is `complete` or `error`. */
export type InstallProgress = { timestamp?: string } & (
    | { type: 'progress'; data: InstallStep }
    | { type: 'complete'; data: InstalledPackages }
    | { type: 'error'; data: { error?: string; message?: string } }
);

export interface HealthReport {
    status: string;
    timestamp: string;
    version: string;
    /** s */
    uptime: number;
    system: any;
    sessions?: { active: number; total: number; [field: string]: any };
    /** Each layer of the jail: active, or why not. */
    isolation?: any;
    [field: string]: any;
}
