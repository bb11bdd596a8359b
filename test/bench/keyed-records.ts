import { crc32c } from '../../src/base/crc32c.ts';
import { ATTRIBUTES_POSITION, CRC_POSITION } from '../../src/record/record-batch.ts';
import { batch } from '../oracle/raw-batch.ts';
import { Channel, checkProduced, open, produceFrame } from './load-generator.ts';

/** As many records of 1 KB as Kafka's producer puts into a batch of its default size, 16 KB. */
const BATCH_RECORDS = 16;
const KEY_BYTES = 16;
const VALUE_BYTES = 1_000;
/** Of a record: length, attributes, two deltas, the lengths of key and value, the count of headers. */
const RECORD_OVERHEAD_BYTES = 9;
export const KEYED_RECORD_BYTES: number = KEY_BYTES + VALUE_BYTES + RECORD_OVERHEAD_BYTES;
const IN_FLIGHT = 10;

/** Produce requests with one batch each, alike but for the keys. */
export class KeyedRequests {
  private readonly request: Buffer;
  private readonly batchStart: number;
  private readonly keyStarts: readonly number[];
  private readonly keys: number;
  private state = 1;

  /** `keys` is the number of keys that there may be. */
  constructor(topic: string, keys: number) {
    const marks = Array.from({ length: BATCH_RECORDS }, (_, index) =>
      `key-mark-${index}`.padEnd(KEY_BYTES, '.'),
    );
    const value = 'x'.repeat(VALUE_BYTES);
    const records = batch({ records: marks.map(key => ({ key, value })) });
    this.request = produceFrame(topic, 0, records);
    this.batchStart = this.request.indexOf(records);
    this.keyStarts = marks.map(mark => this.request.indexOf(mark));
    this.keys = keys;
  }

  /** The next one: its keys are drawn from all that there may be, the same in each run. */
  next(): Buffer {
    const request = Buffer.from(this.request);
    for (const start of this.keyStarts) {
      // A linear congruential generator; its upper bits are random enough to draw keys.
      this.state = (Math.imul(this.state, 1_664_525) + 1_013_904_223) >>> 0;
      const key = Math.floor((this.state / 2 ** 32) * this.keys);
      request.write(`${key}`.padStart(KEY_BYTES, '0'), start, 'latin1');
    }
    const checksum = crc32c(request, this.batchStart + ATTRIBUTES_POSITION);
    request.writeUInt32BE(checksum, this.batchStart + CRC_POSITION);
    return request;
  }
}

/** Writes at least `records` records with keys drawn from as many as that into partition 0. */
export async function fillWithKeys(port: number, topic: string, records: number): Promise<void> {
  const requests = new KeyedRequests(topic, records);
  const socket = await open(port);
  await new Promise<void>((resolve, reject) => {
    let left = Math.ceil(records / BATCH_RECORDS);
    let inFlight = 0;
    const send = () => {
      left--;
      inFlight++;
      channel.write(requests.next());
    };
    const channel = new Channel(socket, answer => {
      try {
        checkProduced(answer, topic);
      } catch (error) {
        channel.end();
        return reject(error);
      }
      inFlight--;
      if (left > 0) return send();
      if (inFlight > 0) return;
      channel.end();
      resolve();
    });
    socket.on('close', () => reject(new Error('the broker closed the connection')));
    while (left > 0 && inFlight < IN_FLIGHT) send();
  });
}
