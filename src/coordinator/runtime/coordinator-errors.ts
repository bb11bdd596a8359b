import { Errors, errorCodeOf } from '../../protocol/errors.ts';

/**
 * What a client of a coordinator is told when an operation on the coordinator's log failed: the log's own errors mean
 * nothing to somebody who asked about a group.
 */
export function coordinatorErrorCode(code: number): number {
  switch (code) {
    case Errors.NETWORK_EXCEPTION:
      // Retriable at the same coordinator.
      return Errors.COORDINATOR_LOAD_IN_PROGRESS;
    case Errors.UNKNOWN_TOPIC_OR_PARTITION:
    case Errors.NOT_ENOUGH_REPLICAS:
    case Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case Errors.REQUEST_TIMED_OUT:
      return Errors.COORDINATOR_NOT_AVAILABLE;
    case Errors.NOT_LEADER_OR_FOLLOWER:
    case Errors.FENCED_LEADER_EPOCH:
    case Errors.KAFKA_STORAGE_ERROR:
      return Errors.NOT_COORDINATOR;
    case Errors.MESSAGE_TOO_LARGE:
    case Errors.RECORD_LIST_TOO_LARGE:
    case Errors.INVALID_FETCH_SIZE:
      return Errors.UNKNOWN_SERVER_ERROR;
    default:
      return code;
  }
}

/** {@link coordinatorErrorCode} of whatever was thrown. */
export function coordinatorErrorOf(error: unknown): number {
  return coordinatorErrorCode(errorCodeOf(error));
}
