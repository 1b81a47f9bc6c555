import { cleanup } from '@testing-library/react';
import { afterEach } from 'vitest';

afterEach(() => cleanup());
// What jsdom does not have.
Element.prototype.scrollIntoView ??= () => undefined;
