import { Errors } from '../protocol/errors.ts';

/**
 * The code of an answer to a producer: clients of an API's versions before `fencedMinVersion` do not know
 * PRODUCER_FENCED, and take INVALID_PRODUCER_EPOCH for it.
 */
export function producerErrorCode(code: number, apiVersion: number, fencedMinVersion: number): number {
  return code === Errors.PRODUCER_FENCED && apiVersion < fencedMinVersion
    ? Errors.INVALID_PRODUCER_EPOCH
    : code;
}
