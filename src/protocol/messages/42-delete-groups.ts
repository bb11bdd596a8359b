import { array, f, message, struct, type Infer } from '../schema.ts';

export const DeleteGroupsRequest = message(
  'DeleteGroupsRequest',
  { kind: 'request', apiKey: 42, versions: '0-3', flexible: '2+', listeners: ['broker'] },
  {
    groupsNames: f(array('string'), '0+', { entityType: 'groupId' }),
  },
);
export type DeleteGroupsRequest = Infer<typeof DeleteGroupsRequest>;

export const DeleteGroupsResponse = message(
  'DeleteGroupsResponse',
  { kind: 'response', apiKey: 42, versions: '0-3', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('DeletableGroupResult', {
          groupId: f('string', '0+', { mapKey: true, entityType: 'groupId' }),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '3+', { nullable: '3+', default: null, ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type DeleteGroupsResponse = Infer<typeof DeleteGroupsResponse>;
