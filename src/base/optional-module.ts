import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/**
 * The module `name`, or `undefined` where it is not installed or cannot be loaded (no prebuilt binary for this
 * platform, no compiler when it was installed). For optional dependencies that have a portable replacement.
 */
export function optionalModule<T>(name: string): T | undefined {
  try {
    return require(name) as T;
  } catch {
    return undefined;
  }
}

/** The module `name`, which must be there. For packages without usable types, and those that are loaded when needed. */
export function requiredModule<T>(name: string): T {
  return require(name) as T;
}
