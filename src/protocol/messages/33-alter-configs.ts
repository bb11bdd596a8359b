import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterConfigsRequest = message(
  'AlterConfigsRequest',
  { kind: 'request', apiKey: 33, versions: '0-2', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    resources: f(
      array(
        struct('AlterConfigsResource', {
          resourceType: f('int8', '0+', { mapKey: true }),
          resourceName: f('string', '0+', { mapKey: true }),
          configs: f(
            array(
              struct('AlterableConfig', {
                name: f('string', '0+', { mapKey: true }),
                value: f('string', '0+', { nullable: '0+' }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    validateOnly: f('bool', '0+'),
  },
);
export type AlterConfigsRequest = Infer<typeof AlterConfigsRequest>;

export const AlterConfigsResponse = message(
  'AlterConfigsResponse',
  { kind: 'response', apiKey: 33, versions: '0-2', flexible: '2+' },
  {
    throttleTimeMs: f('int32', '0+'),
    responses: f(
      array(
        struct('AlterConfigsResourceResponse', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
          resourceType: f('int8', '0+'),
          resourceName: f('string', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterConfigsResponse = Infer<typeof AlterConfigsResponse>;
