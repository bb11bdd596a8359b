import { array, f, message, struct, type Infer } from '../schema.ts';

export const ProduceRequest = message(
  'ProduceRequest',
  { kind: 'request', apiKey: 0, versions: '0-13', flexible: '9+', listeners: ['broker'] },
  {
    transactionalId: f('string', '3+', { nullable: '3+', default: null, entityType: 'transactionalId' }),
    acks: f('int16', '0+'),
    timeoutMs: f('int32', '0+'),
    topicData: f(
      array(
        struct('TopicProduceData', {
          name: f('string', '0-12', { mapKey: true, ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '13+', { mapKey: true, ignorable: true }),
          partitionData: f(
            array(
              struct('PartitionProduceData', {
                index: f('int32', '0+'),
                records: f('records', '0+', { nullable: '0+' }),
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
export type ProduceRequest = Infer<typeof ProduceRequest>;

export const ProduceResponse = message(
  'ProduceResponse',
  { kind: 'response', apiKey: 0, versions: '0-13', flexible: '9+' },
  {
    responses: f(
      array(
        struct('TopicProduceResponse', {
          name: f('string', '0-12', { mapKey: true, ignorable: true, entityType: 'topicName' }),
          topicId: f('uuid', '13+', { mapKey: true, ignorable: true }),
          partitionResponses: f(
            array(
              struct('PartitionProduceResponse', {
                index: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                baseOffset: f('int64', '0+'),
                logAppendTimeMs: f('int64', '2+', { default: -1, ignorable: true }),
                logStartOffset: f('int64', '5+', { default: -1, ignorable: true }),
                recordErrors: f(
                  array(
                    struct('BatchIndexAndErrorMessage', {
                      batchIndex: f('int32', '8+'),
                      batchIndexErrorMessage: f('string', '8+', { nullable: '8+', default: null }),
                    }),
                  ),
                  '8+',
                  { ignorable: true },
                ),
                errorMessage: f('string', '8+', { nullable: '8+', default: null, ignorable: true }),
                currentLeader: f(
                  struct('LeaderIdAndEpoch', {
                    leaderId: f('int32', '10+', { default: -1, entityType: 'brokerId' }),
                    leaderEpoch: f('int32', '10+', { default: -1 }),
                  }),
                  '10+',
                  { tag: 0, tagged: '10+' },
                ),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    nodeEndpoints: f(
      array(
        struct('NodeEndpoint', {
          nodeId: f('int32', '10+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '10+'),
          port: f('int32', '10+'),
          rack: f('string', '10+', { nullable: '10+', default: null }),
        }),
      ),
      '10+',
      { tag: 0, tagged: '10+' },
    ),
  },
);
export type ProduceResponse = Infer<typeof ProduceResponse>;
