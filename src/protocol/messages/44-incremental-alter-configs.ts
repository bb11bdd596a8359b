import { array, f, message, struct, type Infer } from '../schema.ts';

export const IncrementalAlterConfigsRequest = message(
  'IncrementalAlterConfigsRequest',
  { kind: 'request', apiKey: 44, versions: '0-1', flexible: '1+', listeners: ['broker', 'controller'] },
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
                configOperation: f('int8', '0+', { mapKey: true }),
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
export type IncrementalAlterConfigsRequest = Infer<typeof IncrementalAlterConfigsRequest>;

export const IncrementalAlterConfigsResponse = message(
  'IncrementalAlterConfigsResponse',
  { kind: 'response', apiKey: 44, versions: '0-1', flexible: '1+' },
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
export type IncrementalAlterConfigsResponse = Infer<typeof IncrementalAlterConfigsResponse>;
