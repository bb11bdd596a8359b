import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeClusterRequest = message(
  'DescribeClusterRequest',
  { kind: 'request', apiKey: 60, versions: '0-2', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    includeClusterAuthorizedOperations: f('bool', '0+'),
    endpointType: f('int8', '1+', { default: 1 }),
    includeFencedBrokers: f('bool', '2+'),
  },
);
export type DescribeClusterRequest = Infer<typeof DescribeClusterRequest>;

export const DescribeClusterResponse = message(
  'DescribeClusterResponse',
  { kind: 'response', apiKey: 60, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    endpointType: f('int8', '1+', { default: 1 }),
    clusterId: f('string', '0+'),
    controllerId: f('int32', '0+', { default: -1, entityType: 'brokerId' }),
    brokers: f(
      array(
        struct('DescribeClusterBroker', {
          brokerId: f('int32', '0+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '0+'),
          port: f('int32', '0+'),
          rack: f('string', '0+', { nullable: '0+', default: null }),
          isFenced: f('bool', '2+'),
        }),
      ),
      '0+',
    ),
    clusterAuthorizedOperations: f('int32', '0+', { default: -2147483648 }),
  },
);
export type DescribeClusterResponse = Infer<typeof DescribeClusterResponse>;
