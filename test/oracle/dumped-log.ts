import { basename } from 'node:path';
import { complaintsIn, dump } from './dump-log-segments.ts';

/** A batch, or what compaction left of it, as DumpLogSegments of Apache Kafka 4.3 shows it. */
export interface DumpedBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly count: number;
  readonly baseSequence: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  /** `undefined` where it has none. */
  readonly deleteHorizonMs: number | undefined;
  /** The latest of its records. */
  readonly maxTimestamp: number;
  readonly codec: string;
  /** `offset key=value`, or `offset COMMIT`. */
  readonly records: string[];
}

/** A line of a transaction index. */
export interface DumpedAborted {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly lastStableOffset: number;
}

/** All that the tool says of one segment of a log. */
export interface DumpedSegment {
  readonly batches: DumpedBatch[];
  readonly aborted: DumpedAborted[];
}

const FIELDS =
  /^baseOffset: (\d+) lastOffset: (\d+) count: (\d+) baseSequence: (-?\d+) lastSequence: -?\d+ producerId: (-?\d+) producerEpoch: (-?\d+) partitionLeaderEpoch: -?\d+ isTransactional: (\w+) isControl: (\w+) deleteHorizonMs: (?:OptionalLong\.empty|OptionalLong\[(\d+)\]) position: \d+ \w+: (-?\d+) size: \d+ magic: 2 compresscodec: (\w+)/;
const CONTROL = /^\| offset: (\d+) .*endTxnMarker: (COMMIT|ABORT)/;
const RECORD = /^\| offset: (\d+) .*? key: (\S+)(?: payload: (\S+))?$/;
const ABORTED = /^version: 0 producerId: (\d+) firstOffset: (\d+) lastOffset: (\d+) lastStableOffset: (\d+)/;

/**
 * Dumps the logs and transaction indexes among `paths`: each file's name is a segment. In the order of the paths; those
 * of one folder must not be mixed with others'. Throws if the tool finds anything wrong.
 */
export async function dumpSegments(paths: readonly string[]): Promise<Map<string, DumpedSegment>> {
  const text = await dump(paths, '--deep-iteration', '--print-data-log');
  const complaints = complaintsIn(text);
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
  const found = new Map<string, DumpedSegment>();
  for (const part of text.split(/^Dumping /m).slice(1)) {
    const [path = '', ...lines] = part.split('\n');
    const segment = path.trim().replace(/\.(log|txnindex)$/, '');
    const before = found.get(segment) ?? { batches: [], aborted: [] };
    found.set(segment, before);
    for (const line of lines) take(line, before);
  }
  return found;
}

function take(line: string, { batches, aborted }: DumpedSegment): void {
  const fields = FIELDS.exec(line);
  const last = batches.at(-1);
  if (fields !== null) {
    const numbers = fields.slice(1, 7).map(Number);
    const [baseOffset, lastOffset, count, baseSequence, producerId, producerEpoch] = numbers;
    batches.push({
      ...{ baseOffset: baseOffset!, lastOffset: lastOffset!, count: count!, baseSequence: baseSequence! },
      ...{ producerId: producerId!, producerEpoch: producerEpoch! },
      isTransactional: fields[7] === 'true',
      isControl: fields[8] === 'true',
      deleteHorizonMs: fields[9] === undefined ? undefined : Number(fields[9]),
      maxTimestamp: Number(fields[10]),
      codec: fields[11]!,
      records: [],
    });
    return;
  }
  const [, offset, marker] = CONTROL.exec(line) ?? [];
  const [, at, key, value] = RECORD.exec(line) ?? [];
  if (marker !== undefined) last?.records.push(`${offset} ${marker}`);
  else if (key !== undefined) last?.records.push(`${at} ${key}${value === undefined ? '' : `=${value}`}`);
  else if (line.startsWith('|') || line.startsWith('baseOffset')) throw new Error(`not understood: ${line}`);
  const entry = ABORTED.exec(line)?.slice(1).map(Number);
  if (entry === undefined) return;
  const [producerId, firstOffset, lastOffset, lastStableOffset] = entry;
  aborted.push({
    producerId: producerId!,
    firstOffset: firstOffset!,
    lastOffset: lastOffset!,
    lastStableOffset: lastStableOffset!,
  });
}

/** The base offset that is in a segment's name. */
export function segmentBase(segment: string): number {
  return Number.parseInt(basename(segment), 10);
}
