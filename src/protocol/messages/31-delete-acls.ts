import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteAclsRequest = message(
  'DeleteAclsRequest',
  { kind: 'request', apiKey: 31, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    filters: f(
      array(
        struct('DeleteAclsFilter', {
          resourceTypeFilter: f('int8', '0+'),
          resourceNameFilter: f('string', '0+', { nullable: '0+' }),
          patternTypeFilter: f('int8', '1+', { default: 3 }),
          principalFilter: f('string', '0+', { nullable: '0+' }),
          hostFilter: f('string', '0+', { nullable: '0+' }),
          operation: f('int8', '0+'),
          permissionType: f('int8', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type DeleteAclsRequest = Infer<typeof DeleteAclsRequest>;

export const DeleteAclsResponse = message(
  'DeleteAclsResponse',
  { kind: 'response', apiKey: 31, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    filterResults: f(
      array(
        struct('DeleteAclsFilterResult', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
          matchingAcls: f(
            array(
              struct('DeleteAclsMatchingAcl', {
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+' }),
                resourceType: f('int8', '0+'),
                resourceName: f('string', '0+'),
                patternType: f('int8', '1+', { default: 3 }),
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
export type DeleteAclsResponse = Infer<typeof DeleteAclsResponse>;
