import { array, f, message, struct, type Infer } from '../schema.ts';

export const ListConfigResourcesRequest = message(
  'ListConfigResourcesRequest',
  { kind: 'request', apiKey: 74, versions: '0-1', flexible: '0+', listeners: ['broker'] },
  {
    resourceTypes: f(array('int8'), '1+'),
  },
);
export type ListConfigResourcesRequest = Infer<typeof ListConfigResourcesRequest>;

export const ListConfigResourcesResponse = message(
  'ListConfigResourcesResponse',
  { kind: 'response', apiKey: 74, versions: '0-1', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    configResources: f(
      array(
        struct('ConfigResource', {
          resourceName: f('string', '0+'),
          resourceType: f('int8', '1+', { default: 16, ignorable: true }),
        }),
      ),
      '0+',
    ),
  },
);
export type ListConfigResourcesResponse = Infer<typeof ListConfigResourcesResponse>;
