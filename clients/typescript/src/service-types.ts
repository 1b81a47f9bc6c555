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

export interface PackageInfo {
    name: string;
    version: string;
    description: string;
    author?: string;
    license?: string;
    homepage?: string;
    repository?: string;
    dependencies: string[];
    size: number;
    installed: boolean;
    allowedVersions: string[];
    securityRating: 'safe' | 'caution' | 'restricted' | 'blocked';
    category: string;
}

export interface PackageQuery {
    search?: string;
    category?: string;
    installed?: boolean;
}

export interface PackageList {
    packages: PackageInfo[];
    total: number;
    categories: string[];
}

export interface PackageFailure {
    package: string;
    error: string;
}

export interface InstalledPackages {
    success: boolean;
    installed: string[];
    failed: PackageFailure[];
    logs: string[];
}

export interface UninstalledPackages {
    success: boolean;
    uninstalled: string[];
    failed: PackageFailure[];
    logs: string[];
}

export interface SessionPackages {
    sessionId: string;
    packages: PackageInfo[];
}

/** One event of a running installation, as the service sends it; the last one is `complete`. */
export interface InstallProgress {
    type: string;
    data: any;
    timestamp?: string;
}

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
