import { MESSAGES } from '../../src/protocol/messages/index.ts';
import * as data from '../../src/protocol/records/data.ts';
import * as group from '../../src/protocol/records/group-records.ts';
import * as metadata from '../../src/protocol/records/metadata-records.ts';
import * as raft from '../../src/protocol/records/raft-records.ts';
import * as remote from '../../src/protocol/records/remote-storage-records.ts';
import * as share from '../../src/protocol/records/share-records.ts';
import * as transaction from '../../src/protocol/records/transaction-records.ts';
import type { Message } from '../../src/protocol/schema.ts';

/** Every message and record that the project defines. */
export const ALL_MESSAGES: readonly Message[] = [
  ...MESSAGES.flatMap(api => [api.request, api.response]),
  ...[data, group, metadata, raft, remote, share, transaction].flatMap(
    file => Object.values(file) as Message[],
  ),
];
