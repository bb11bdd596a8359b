import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeGroupsRequest = message(
  'DescribeGroupsRequest',
  { kind: 'request', apiKey: 15, versions: '0-6', flexible: '5+', listeners: ['broker'] },
  {
    groups: f(array('string'), '0+', { entityType: 'groupId' }),
    includeAuthorizedOperations: f('bool', '3+'),
  },
);
export type DescribeGroupsRequest = Infer<typeof DescribeGroupsRequest>;

export const DescribeGroupsResponse = message(
  'DescribeGroupsResponse',
  { kind: 'response', apiKey: 15, versions: '0-6', flexible: '5+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    groups: f(
      array(
        struct('DescribedGroup', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '6+', { nullable: '6+', default: null }),
          groupId: f('string', '0+', { entityType: 'groupId' }),
          groupState: f('string', '0+'),
          protocolType: f('string', '0+'),
          protocolData: f('string', '0+'),
          members: f(
            array(
              struct('DescribedGroupMember', {
                memberId: f('string', '0+'),
                groupInstanceId: f('string', '4+', { nullable: '4+', default: null, ignorable: true }),
                clientId: f('string', '0+'),
                clientHost: f('string', '0+'),
                memberMetadata: f('bytes', '0+'),
                memberAssignment: f('bytes', '0+'),
              }),
            ),
            '0+',
          ),
          authorizedOperations: f('int32', '3+', { default: -2147483648 }),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeGroupsResponse = Infer<typeof DescribeGroupsResponse>;
