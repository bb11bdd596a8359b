import { atLeast } from '../validators.ts';
import {
  className,
  int,
  type KeyDefinition,
  list,
  long,
  noEffect,
  refused,
  string,
} from '../key-definition.ts';
import { JAVA_CLASS, METRICS, NO_MOVE_QUOTA } from './statuses.ts';

/** Quotas, metrics, and where values come from. */
export const OPERATION_KEYS: readonly KeyDefinition[] = [
  className(
    'client.quota.callback.class',
    null,
    'LOW',
    'A class that decides the quotas of clients.',
    JAVA_CLASS,
  ),
  int('quota.window.num', 11, 'LOW', 'Samples kept for quotas of clients.', {
    check: atLeast(1),
  }),
  int('quota.window.size.seconds', 1, 'LOW', 'Length in seconds of each of these samples.', {
    check: atLeast(1),
  }),
  int('replication.quota.window.num', 11, 'LOW', 'Samples kept for quotas of replication.', {
    check: atLeast(1),
  }),
  int('replication.quota.window.size.seconds', 1, 'LOW', 'Length in seconds of each of these samples.', {
    check: atLeast(1),
  }),
  int('controller.quota.window.num', 11, 'LOW', 'Samples kept for quotas of changes to topics.', {
    check: atLeast(1),
  }),
  int('controller.quota.window.size.seconds', 1, 'LOW', 'Length in seconds of each of these samples.', {
    check: atLeast(1),
  }),
  int(
    'alter.log.dirs.replication.quota.window.num',
    11,
    'LOW',
    'Samples kept for quotas of moves between directories.',
    {
      check: atLeast(1),
      ...NO_MOVE_QUOTA,
    },
  ),
  int(
    'alter.log.dirs.replication.quota.window.size.seconds',
    1,
    'LOW',
    'Length in seconds of each of these samples.',
    {
      check: atLeast(1),
      ...NO_MOVE_QUOTA,
    },
  ),
  list(
    'metric.reporters',
    'org.apache.kafka.common.metrics.JmxReporter',
    'LOW',
    'Classes that publish metrics.',
    METRICS,
  ),
  int('metrics.num.samples', 2, 'LOW', 'Samples kept for a metric.', { check: atLeast(1), ...METRICS }),
  long('metrics.sample.window.ms', 30000, 'LOW', 'Length in ms of a sample.', {
    check: atLeast(1),
    ...METRICS,
  }),
  string(
    'metrics.recording.level',
    'INFO',
    'LOW',
    'How detailed metrics are: INFO, DEBUG or TRACE.',
    METRICS,
  ),
  list('kafka.metrics.reporters', '', 'LOW', 'Classes that publish metrics of the older kind.', METRICS),
  int('kafka.metrics.polling.interval.secs', 10, 'LOW', 'Time in seconds between two of their reports.', {
    check: atLeast(1),
    ...METRICS,
  }),
  int('telemetry.max.bytes', 1048576, 'LOW', 'Most bytes of the metrics that a client pushes.', {
    check: atLeast(1),
    status: noEffect('this version does not take metrics of clients'),
  }),
  list(
    'config.providers',
    '',
    'LOW',
    'Sources for values that stand elsewhere: a source, a path and a key in it.',
    {
      status: refused('values of other sources cannot be loaded'),
    },
  ),
];
