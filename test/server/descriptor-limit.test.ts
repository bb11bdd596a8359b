import { describe, expect, test } from 'vitest';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { descriptorLimit, parseDescriptorLimit } from '../../src/server/descriptor-limit.ts';

const TEXT = `Limit                     Soft Limit           Hard Limit           Units
Max processes             15337                15337                processes
Max open files            1024                 524288               files
Max locked memory         65536                65536                bytes
`;

describe('the limit of open files', () => {
  test('is the soft one of its line', () => {
    expect(parseDescriptorLimit(TEXT)).toBe(1024);
  });

  test('is not known where it is unlimited or missing', () => {
    expect(parseDescriptorLimit(TEXT.replace('1024  ', 'unlimited'))).toBeUndefined();
    expect(parseDescriptorLimit('')).toBeUndefined();
  });

  test.runIf(process.platform === 'linux')('is read from the system', () => {
    expect(descriptorLimit(new NodeRuntime().disk)).toBeGreaterThan(0);
  });
});
