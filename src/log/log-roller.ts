import type { Offset } from '../base/int64.ts';
import type { LocalLog } from './local-log.ts';
import type { LogEnvironment } from './log-environment.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';

/** Begins the segments of one log. A start reads from the last of them on: each has a producer snapshot at its base. */
export class LogRoller {
  private readonly environment: LogEnvironment;
  private readonly local: LocalLog;
  private readonly producerState: ProducerStateManager;

  constructor(environment: LogEnvironment, local: LocalLog, producerState: ProducerStateManager) {
    this.environment = environment;
    this.local = local;
    this.producerState = producerState;
  }

  /** See {@link UnifiedLog.roll}. Where there is no room for the files of a new segment, the one before it goes on. */
  roll(baseOffset: Offset = this.local.stagedEndOffset): void {
    const { local, producerState } = this;
    local.checkOnline();
    const hasRolled = local.dir.onDiskWithRoom(() => {
      if (!local.finishActiveSegment(baseOffset)) return false;
      producerState.updateMapEndOffset(baseOffset);
      producerState.takeSnapshot();
      local.addSegment(baseOffset);
      return true;
    });
    if (!hasRolled) return;
    // As in Kafka, the segment that is full goes to the disk in the background.
    this.environment.runtime.timers.soon(() => {
      if (!local.isClosed && !local.dir.isOffline) void local.flush(baseOffset).catch(() => {});
    });
  }

  /** See {@link UnifiedLog.rollIfDue}. */
  rollIfDue(): void {
    const { local } = this;
    local.checkOnline();
    if (local.isRollDue(this.environment.runtime.clock.wallMs())) this.roll();
  }
}
