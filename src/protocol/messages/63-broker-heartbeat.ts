import { array, f, message, type Infer } from '../schema.ts';

export const BrokerHeartbeatRequest = message(
  'BrokerHeartbeatRequest',
  { kind: 'request', apiKey: 63, versions: '0-2', flexible: '0+', listeners: ['controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    brokerEpoch: f('int64', '0+', { default: -1 }),
    currentMetadataOffset: f('int64', '0+'),
    wantFence: f('bool', '0+'),
    wantShutDown: f('bool', '0+'),
    offlineLogDirs: f(array('uuid'), '1+', { tag: 0, tagged: '1+' }),
    cordonedLogDirs: f(array('uuid'), '2+', { nullable: '2+', default: null, tag: 1, tagged: '2+' }),
  },
);
export type BrokerHeartbeatRequest = Infer<typeof BrokerHeartbeatRequest>;

export const BrokerHeartbeatResponse = message(
  'BrokerHeartbeatResponse',
  { kind: 'response', apiKey: 63, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    isCaughtUp: f('bool', '0+'),
    isFenced: f('bool', '0+', { default: true }),
    shouldShutDown: f('bool', '0+'),
  },
);
export type BrokerHeartbeatResponse = Infer<typeof BrokerHeartbeatResponse>;
