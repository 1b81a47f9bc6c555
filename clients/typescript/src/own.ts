/** Sets a property whatever its name: a Python variable may well be called __proto__. */
export function setOwn<T>(object: Record<string, T>, name: string, value: T): void {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}
