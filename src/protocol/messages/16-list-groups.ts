import { array, f, message, struct, type Infer } from '../schema.ts';

export const ListGroupsRequest = message(
  'ListGroupsRequest',
  { kind: 'request', apiKey: 16, versions: '0-5', flexible: '3+', listeners: ['broker'] },
  {
    statesFilter: f(array('string'), '4+'),
    typesFilter: f(array('string'), '5+'),
  },
);
export type ListGroupsRequest = Infer<typeof ListGroupsRequest>;

export const ListGroupsResponse = message(
  'ListGroupsResponse',
  { kind: 'response', apiKey: 16, versions: '0-5', flexible: '3+' },
  {
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    errorCode: f('int16', '0+'),
    groups: f(
      array(
        struct('ListedGroup', {
          groupId: f('string', '0+', { entityType: 'groupId' }),
          protocolType: f('string', '0+'),
          groupState: f('string', '4+', { ignorable: true }),
          groupType: f('string', '5+', { ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type ListGroupsResponse = Infer<typeof ListGroupsResponse>;
