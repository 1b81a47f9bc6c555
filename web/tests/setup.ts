import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

afterEach(() => cleanup());
// jsdom has no pointers; those of a mouse do.
window.PointerEvent ??= class PointerEvent extends MouseEvent {} as typeof window.PointerEvent;
