/** Client of the Penny sandbox. */

export { SandboxClient, createSandboxClient } from './client.js';
export { EventStream, type ExecuteStreamOptions, type WatchOptions } from './stream.js';
export { SandboxSession, type SessionRequest } from './session.js';
export { Files, type ReadOptions } from './files.js';
export { Variables } from './variables.js';
export type { InstallOptions } from './packages.js';
export type { OnEvent } from './executions.js';
export type { OnRaceEvent, RaceEvent } from './race.js';
export { SseParser, type SseMessage } from './sse.js';
export * from './types.js';
export * from './streaming.js';
