/** Everything that has a name: the types, the errors, the guards and the constants. Also importable as `@penny/sandbox-client/types`. */

export type { RequestOptions, SandboxClientConfig, SandboxConfig } from './config.js';
export * from './errors.js';
export * from './event-types.js';
export * from './execution-types.js';
export * from './penny-types.js';
export * from './service-types.js';
export * from './session-types.js';
export * from './value-types.js';
