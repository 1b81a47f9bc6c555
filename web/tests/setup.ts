import { cleanup, configure } from '@testing-library/react';
import { afterEach } from 'vitest';

configure({ asyncUtilTimeout: 20_000 }); // a second is short on a machine that does other things
afterEach(() => cleanup());
// jsdom has no pointers; those of a mouse do.
window.PointerEvent ??= class PointerEvent extends MouseEvent {} as typeof window.PointerEvent;
