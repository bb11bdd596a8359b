import { array, f, message, struct, type Infer } from '../schema.ts';

export const BrokerRegistrationRequest = message(
  'BrokerRegistrationRequest',
  { kind: 'request', apiKey: 62, versions: '0-4', flexible: '0+', listeners: ['controller'] },
  {
    brokerId: f('int32', '0+', { entityType: 'brokerId' }),
    clusterId: f('string', '0+'),
    incarnationId: f('uuid', '0+'),
    listeners: f(
      array(
        struct('Listener', {
          name: f('string', '0+', { mapKey: true }),
          host: f('string', '0+'),
          port: f('uint16', '0+'),
          securityProtocol: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    features: f(
      array(
        struct('Feature', {
          name: f('string', '0+', { mapKey: true }),
          minSupportedVersion: f('int16', '0+'),
          maxSupportedVersion: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    rack: f('string', '0+', { nullable: '0+' }),
    isMigratingZkBroker: f('bool', '1+'),
    logDirs: f(array('uuid'), '2+', { ignorable: true }),
    previousBrokerEpoch: f('int64', '3+', { default: -1, ignorable: true }),
  },
);
export type BrokerRegistrationRequest = Infer<typeof BrokerRegistrationRequest>;

export const BrokerRegistrationResponse = message(
  'BrokerRegistrationResponse',
  { kind: 'response', apiKey: 62, versions: '0-4', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    brokerEpoch: f('int64', '0+', { default: -1 }),
  },
);
export type BrokerRegistrationResponse = Infer<typeof BrokerRegistrationResponse>;
