import { array, f, message, struct, type Infer } from '../schema.ts';

export const FindCoordinatorRequest = message(
  'FindCoordinatorRequest',
  { kind: 'request', apiKey: 10, versions: '0-6', flexible: '3+', listeners: ['broker'] },
  {
    key: f('string', '0-3'),
    keyType: f('int8', '1+'),
    coordinatorKeys: f(array('string'), '4+'),
  },
);
export type FindCoordinatorRequest = Infer<typeof FindCoordinatorRequest>;

export const FindCoordinatorResponse = message(
  'FindCoordinatorResponse',
  { kind: 'response', apiKey: 10, versions: '0-6', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '0-3'),
    errorMessage: f('string', '1-3', { nullable: '1-3', ignorable: true }),
    nodeId: f('int32', '0-3', { entityType: 'brokerId' }),
    host: f('string', '0-3'),
    port: f('int32', '0-3'),
    coordinators: f(
      array(
        struct('Coordinator', {
          key: f('string', '4+'),
          nodeId: f('int32', '4+', { entityType: 'brokerId' }),
          host: f('string', '4+'),
          port: f('int32', '4+'),
          errorCode: f('int16', '4+'),
          errorMessage: f('string', '4+', { nullable: '4+', ignorable: true }),
        }),
      ),
      '4+',
    ),
  },
);
export type FindCoordinatorResponse = Infer<typeof FindCoordinatorResponse>;
