import type { AclOperation } from './handler.ts';

/** The numbers of operations in the protocol: `1 << number` is the operation's bit in a set of them. */
const OPERATION_NUMBERS: Readonly<Record<AclOperation, number>> = {
  Read: 3,
  Write: 4,
  Create: 5,
  Delete: 6,
  Alter: 7,
  Describe: 8,
  ClusterAction: 9,
  DescribeConfigs: 10,
  AlterConfigs: 11,
  IdempotentWrite: 12,
  CreateTokens: 13,
  DescribeTokens: 14,
  TwoPhaseCommit: 15,
};

function operationSet(operations: readonly AclOperation[]): number {
  return operations.reduce((set, operation) => set | (1 << OPERATION_NUMBERS[operation]), 0);
}

/** What may be done to a topic at all: what everybody may do where there is no authorizer. */
export const TOPIC_OPERATIONS = operationSet([
  'Read',
  'Write',
  'Create',
  'Delete',
  'Alter',
  'Describe',
  'DescribeConfigs',
  'AlterConfigs',
]);

export const GROUP_OPERATIONS = operationSet([
  'Read',
  'Delete',
  'Describe',
  'DescribeConfigs',
  'AlterConfigs',
]);

export const CLUSTER_OPERATIONS = operationSet([
  'Create',
  'Alter',
  'Describe',
  'ClusterAction',
  'DescribeConfigs',
  'AlterConfigs',
  'IdempotentWrite',
]);
