import { array, f, message, struct, type Infer } from '../schema.ts';

export const CreateAclsRequest = message(
  'CreateAclsRequest',
  { kind: 'request', apiKey: 30, versions: '0-3', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    creations: f(
      array(
        struct('AclCreation', {
          resourceType: f('int8', '0+'),
          resourceName: f('string', '0+'),
          resourcePatternType: f('int8', '1+', { default: 3 }),
          principal: f('string', '0+'),
          host: f('string', '0+'),
          operation: f('int8', '0+'),
          permissionType: f('int8', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type CreateAclsRequest = Infer<typeof CreateAclsRequest>;

export const CreateAclsResponse = message(
  'CreateAclsResponse',
  { kind: 'response', apiKey: 30, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('AclCreationResult', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
        }),
      ),
      '0+',
    ),
  },
);
export type CreateAclsResponse = Infer<typeof CreateAclsResponse>;
