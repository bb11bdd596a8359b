import { array, f, message, struct, type Infer } from '../schema.ts';

export const ShareSnapshotKey = message(
  'ShareSnapshotKey',
  { kind: 'coordinator-key', apiKey: 0, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    topicId: f('uuid', '0'),
    partition: f('int32', '0'),
  },
);
export type ShareSnapshotKey = Infer<typeof ShareSnapshotKey>;

export const ShareSnapshotValue = message(
  'ShareSnapshotValue',
  { kind: 'coordinator-value', apiKey: 0, versions: '0', flexible: '0+' },
  {
    snapshotEpoch: f('int32', '0+'),
    stateEpoch: f('int32', '0+'),
    leaderEpoch: f('int32', '0+'),
    startOffset: f('int64', '0+'),
    deliveryCompleteCount: f('int32', '0+', { default: -1, tag: 0, tagged: '0+' }),
    createTimestamp: f('int64', '0+'),
    writeTimestamp: f('int64', '0+'),
    stateBatches: f(
      array(
        struct('StateBatch', {
          firstOffset: f('int64', '0+'),
          lastOffset: f('int64', '0+'),
          deliveryState: f('int8', '0+'),
          deliveryCount: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ShareSnapshotValue = Infer<typeof ShareSnapshotValue>;

export const ShareUpdateKey = message(
  'ShareUpdateKey',
  { kind: 'coordinator-key', apiKey: 1, versions: '0', flexible: 'none' },
  {
    groupId: f('string', '0'),
    topicId: f('uuid', '0'),
    partition: f('int32', '0'),
  },
);
export type ShareUpdateKey = Infer<typeof ShareUpdateKey>;

export const ShareUpdateValue = message(
  'ShareUpdateValue',
  { kind: 'coordinator-value', apiKey: 1, versions: '0', flexible: '0+' },
  {
    snapshotEpoch: f('int32', '0+'),
    leaderEpoch: f('int32', '0+'),
    startOffset: f('int64', '0+'),
    deliveryCompleteCount: f('int32', '0+', { default: -1, tag: 0, tagged: '0+' }),
    stateBatches: f(
      array(
        struct('StateBatch', {
          firstOffset: f('int64', '0+'),
          lastOffset: f('int64', '0+'),
          deliveryState: f('int8', '0+'),
          deliveryCount: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ShareUpdateValue = Infer<typeof ShareUpdateValue>;
