/** One place where our answer may differ from Apache Kafka's, and why. */
export interface AllowedDifference {
  /** The API's name without "Request". */
  readonly api: string;
  /** The case's name, or undefined for every case of the API. */
  readonly case?: string;
  /** The step of the case, or undefined for every step. */
  readonly step?: string;
  /** The field of the answer that is left out of the comparison, wherever it stands; `*` for the whole step. */
  readonly field: string;
  readonly reason: string;
}

export const ALLOWED_DIFFERENCES: readonly AllowedDifference[] = [
  {
    api: 'Produce',
    field: 'errorMessage',
    reason: 'We say why a batch was refused; Apache Kafka leaves the message out for most errors.',
  },
  {
    api: 'Produce',
    case: 'a batch with null records',
    step: 'bad',
    field: '*',
    reason: 'Apache Kafka fails inside and never answers. We answer INVALID_RECORD and keep the connection.',
  },
  {
    api: 'Produce',
    case: 'a batch with null records',
    step: 'good again',
    field: '*',
    reason: 'It follows the request that Apache Kafka never answers.',
  },
  ...['an unknown codec', 'zstd by name and garbage by content', 'gzip by name and garbage by content'].map(
    kind => ({
      api: 'Produce',
      case: `a batch with ${kind}`,
      step: 'bad',
      field: 'errorCode',
      reason:
        'A payload that does not hold what it should is an INVALID_RECORD; Apache Kafka says UNKNOWN_SERVER_ERROR.',
    }),
  ),
  {
    api: 'Produce',
    case: 'a batch with an unknown codec',
    step: 'bad',
    field: 'logStartOffset',
    reason: 'Below v7 Apache Kafka fails before it comes to the log.',
  },
  ...['bad', 'good again'].map(step => ({
    api: 'Produce',
    case: 'a batch with gzip records with wrong offset deltas',
    step,
    field: '*',
    reason:
      'Apache Kafka numbers such records anew and then fails inside; we store them with the new numbers.',
  })),
  {
    api: 'IncrementalAlterConfigs',
    step: 'unknown operation',
    field: '*',
    reason: 'An unknown operation is an INVALID_REQUEST; Apache Kafka says UNKNOWN_SERVER_ERROR.',
  },
  {
    api: 'CreatePartitions',
    field: 'errorMessage',
    reason: 'We name the topic that is unknown; Apache Kafka leaves the message out.',
  },
  {
    api: 'DescribeConfigs',
    step: 'unknown topic',
    field: 'errorMessage',
    reason: 'We name the topic that is unknown; Apache Kafka leaves the message out.',
  },
  ...['AlterConfigs', 'IncrementalAlterConfigs'].map(api => ({
    api,
    step: 'unknown type',
    field: '*',
    reason: 'An unknown resource type is an INVALID_REQUEST; Apache Kafka says UNKNOWN_SERVER_ERROR.',
  })),
  {
    api: 'IncrementalAlterConfigs',
    step: 'append to a subscription',
    field: '*',
    reason:
      'Apache Kafka knows no lists among the keys of subscriptions to metrics. To us they are what they are.',
  },
  {
    api: 'Fetch',
    step: 'room for the first',
    field: 'records',
    reason:
      'We end a partition at a whole batch; Apache Kafka fills the limit with a cut one, which clients drop.',
  },
  {
    api: 'ListOffsets',
    case: 'unknown topics and partitions, and one partition twice',
    step: 'twice',
    field: '*',
    reason:
      'A partition that is named twice is an INVALID_REQUEST at every version; ' +
      'Apache Kafka answers version 0 as if it were not, and the others once.',
  },
  {
    api: 'DescribeConfigs',
    case: 'some keys',
    field: 'isDefault',
    reason: 'Apache Kafka 3.9 leaves the field of version 0 false; older brokers filled it, as we do.',
  },
  {
    api: 'DescribeConfigs',
    step: 'documentation',
    field: 'documentation',
    reason: 'The sentences are our own, and a key may have one where Apache Kafka has none.',
  },
  ...['by a pattern that is long', 'by a pattern that repeats much'].map(step => ({
    api: 'ListTransactions',
    step,
    field: '*',
    reason:
      'One event loop serves all: a pattern of more than 256 characters, or one that takes too much work, is an ' +
      'INVALID_REGULAR_EXPRESSION. Apache Kafka compiles any.',
  })),
  {
    api: 'WriteTxnMarkers',
    step: 'of an epoch below 0',
    field: 'errorCode',
    reason:
      'An epoch of -1 is an INVALID_PRODUCER_EPOCH, as any other below 0; ' +
      'Apache Kafka fails inside and says UNKNOWN_SERVER_ERROR.',
  },
  {
    api: 'DescribeTransactions',
    case: 'with a part of its markers',
    step: 'prepared',
    field: 'topics',
    reason:
      'A transaction has its partitions until it is over. Apache Kafka leaves out those with their marker, ' +
      'until another broker takes over: the log does not tell.',
  },
  ...['true of the epoch before', 'false of the epoch before'].map(step => ({
    api: 'EndTxn',
    case: 'where an older client has taken the id over',
    step,
    field: '*',
    reason:
      'A producer is fenced when another one has its id. Apache Kafka takes its EndTxn for a repeated one after that ' +
      'of an older client, and tells it the epoch that the older client has.',
  })),
  {
    api: 'Produce',
    case: 'of an epoch to come',
    step: 'the second',
    field: '*',
    reason:
      'Apache Kafka keeps the sequence of a record that it refused after verification, also one of another epoch, and ' +
      'then takes no later one in that transaction: OUT_OF_ORDER_SEQUENCE_NUMBER. We take them.',
  },
  ...['inside of it', 'behind it'].flatMap(kind =>
    ['committed', 'any'].map(reader => ({
      api: 'DeleteRecords',
      case: 'around an open transaction',
      step: `${kind}: ${reader} from ${kind === 'inside of it' ? 7 : 10}`,
      field: 'lastStableOffset',
      reason:
        'The last stable offset is never below the start of the log. In Apache Kafka it is the base offset of the ' +
        'batch in which the log starts.',
    })),
  ),
];
