import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeAclsRequest = message(
  'DescribeAclsRequest',
  { kind: 'request', apiKey: 29, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    resourceTypeFilter: f('int8', '0+'),
    resourceNameFilter: f('string', '0+', { nullable: '0+' }),
    patternTypeFilter: f('int8', '1+', { default: 3 }),
    principalFilter: f('string', '0+', { nullable: '0+' }),
    hostFilter: f('string', '0+', { nullable: '0+' }),
    operation: f('int8', '0+'),
    permissionType: f('int8', '0+'),
  },
);
export type DescribeAclsRequest = Infer<typeof DescribeAclsRequest>;

export const DescribeAclsResponse = message(
  'DescribeAclsResponse',
  { kind: 'response', apiKey: 29, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    resources: f(
      array(
        struct('DescribeAclsResource', {
          resourceType: f('int8', '0+'),
          resourceName: f('string', '0+'),
          patternType: f('int8', '1+', { default: 3 }),
          acls: f(
            array(
              struct('AclDescription', {
                principal: f('string', '0+'),
                host: f('string', '0+'),
                operation: f('int8', '0+'),
                permissionType: f('int8', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type DescribeAclsResponse = Infer<typeof DescribeAclsResponse>;
