import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../src/protocol/messages/21-delete-records.ts';
import { WireClient } from '../oracle/wire-client.ts';

const VERSION = 1;
const TIMEOUT_MS = 10_000;

/** Asks the leader of a partition, which serves `port`, to delete all records below `offset`. Rejects unless it did. */
export async function deleteRecords(
  port: number,
  topic: string,
  partition: number,
  offset: number,
): Promise<void> {
  const client = await WireClient.open(port, TIMEOUT_MS + 1_000);
  try {
    const answer = await client.send(DeleteRecordsRequest, DeleteRecordsResponse, VERSION, {
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, offset }] }],
      timeoutMs: TIMEOUT_MS,
    });
    const code = answer.topics[0]?.partitions[0]?.errorCode;
    if (code !== 0) throw new Error(`DeleteRecords of ${topic}-${partition} was answered with error ${code}`);
  } finally {
    client.close();
  }
}
