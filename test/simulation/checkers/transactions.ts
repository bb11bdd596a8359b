import type { Offset } from '../../../src/base/int64.ts';
import { InternalTopic } from '../../../src/metadata/topic-name.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';
import { type Checker, Findings } from './checker.ts';
import type { BatchAtRest, FinalState, ReplicaAtRest } from './final-state.ts';
import type {
  History,
  PartitionKey,
  RecordedOf,
  TransactionBeginEvent,
  TransactionOutcome,
} from './history.ts';

/** The topic to which only transactions write. */
export const TRANSACTIONAL_TOPIC = 'transactional';

type Fate = 'committed' | 'aborted' | 'open';

/** A transaction as its producer knows it. */
interface KnownTransaction {
  readonly txn: number;
  readonly version: 1 | 2;
  readonly producerEpoch: number;
  /** Anything may become of it: see {@link TransactionBeginEvent}. */
  readonly isExposed: boolean;
  readonly atMs: number;
  readonly process: string;
  readonly sends: { readonly partition: PartitionKey; readonly values: readonly string[] }[];
  offset: number | undefined;
  outcome: TransactionOutcome;
}

/** What one marker has ended. */
interface EndedSpan {
  readonly offset: Offset;
  /** Of the marker. */
  readonly producerEpoch: number;
  readonly values: readonly string[];
}

/** Of one log: what became of each value, in the order of offsets. */
interface LogContent {
  readonly where: string;
  readonly fates: ReadonlyMap<string, { readonly offset: Offset; readonly fate: Fate }>;
  readonly spans: readonly EndedSpan[];
}

/**
 * Transactions, on each replica at rest and for their producers and readers:
 *
 * | T1 | a value stands in a log once |
 * | T3 | epochs of a producer and of its coordinators never fall from one batch or marker to the next |
 * | T4 | what was committed is there, all of it; nothing is that was aborted; else all or nothing |
 * | T5 | the last stable offset never falls in an epoch of the leader nor passes the high watermark; who reads what is committed reads all of that once, and nothing else |
 * | T6 | no transaction is open at rest |
 * | T7 | the offset of a group is that of its last transaction that was committed |
 * | T8 | each transaction of version 2 has an epoch of its own; in each log one marker, of a later epoch, ends it and nothing else |
 * | T10 | a producer id belongs to one transactional id |
 *
 * What is visible is what the next marker of its producer says. Where acknowledged records may be lost, T4 to T8 and T10
 * may not hold; T4 and T7 do not for transactions of version 1 that a late request of an earlier one may have touched.
 */
export const checkTransactions: Checker = (history, end, { lossAllowed, uncleanElections, atRest }) => {
  const findings = new Findings();
  const mayLose = lossAllowed || uncleanElections;
  const contents = new Map<PartitionKey, LogContent[]>();
  for (const replica of end.replicas) {
    const isOfGroups = replica.name.startsWith(`${InternalTopic.CONSUMER_OFFSETS}-`);
    if (!isOfGroups && !replica.name.startsWith(`${TRANSACTIONAL_TOPIC}-`)) continue;
    checkEpochs(replica, end.atMs, findings);
    if (isOfGroups) continue;
    const content = contentOf(replica, end.atMs, findings);
    const partition = end.partitions.find(each => each.partition === replica.partition);
    const isWhole = atRest && end.up.includes(replica.node) && partition?.replicas.includes(replica.node);
    if (isWhole !== true || mayLose) continue;
    for (const [value, { offset, fate }] of content.fates)
      if (fate === 'open')
        findings.add('T6', end.atMs, `${content.where}: the transaction of '${value}' at ${offset} is open`);
    const known = contents.get(replica.partition);
    if (known === undefined) contents.set(replica.partition, [content]);
    else known.push(content);
  }
  checkProducers(history, mayLose, findings);
  if (mayLose) return findings.violations;
  const transactions = knownTransactions(history);
  for (const transaction of transactions.values()) checkAtomicity(transaction, contents, findings);
  checkSeparation(transactions, contents, findings);
  checkOffsets(history, transactions, contents, findings);
  checkPolls(history, contents, findings);
  return findings.violations;
};

/** T3. */
function checkEpochs(replica: ReplicaAtRest, atMs: number, findings: Findings): void {
  const where = `${replica.name} on node ${replica.node}`;
  const epochs = new Map<string, { producer: number; coordinator: number }>();
  for (const batch of replica.batches) {
    if (batch.producerId < 0) continue;
    const producer = String(batch.producerId);
    const before = epochs.get(producer) ?? { producer: -1, coordinator: -1 };
    const { marker, producerEpoch, baseOffset } = batch;
    const at = `${where} at ${baseOffset}, producer ${producer}`;
    if (producerEpoch < before.producer)
      findings.add('T3', atMs, `${at}: epoch ${producerEpoch} after ${before.producer}`);
    if (marker !== undefined && marker.coordinatorEpoch < before.coordinator)
      findings.add(
        'T3',
        atMs,
        `${at}: coordinator epoch ${marker.coordinatorEpoch} after ${before.coordinator}`,
      );
    epochs.set(producer, {
      producer: producerEpoch,
      coordinator: marker?.coordinatorEpoch ?? before.coordinator,
    });
  }
}

/** T1, and what became of each value. */
function contentOf(replica: ReplicaAtRest, atMs: number, findings: Findings): LogContent {
  const where = `${replica.name} on node ${replica.node}`;
  const fates = new Map<string, { offset: Offset; fate: Fate }>();
  const spans: EndedSpan[] = [];
  const open = new Map<string, BatchAtRest[]>();
  for (const batch of replica.batches) {
    if (batch.producerId < 0) continue;
    const producer = String(batch.producerId);
    const { marker, producerEpoch } = batch;
    if (marker !== undefined) {
      const fate = marker.isCommit ? 'committed' : 'aborted';
      const values = (open.get(producer) ?? []).flatMap(each => each.values);
      for (const value of values) fates.get(value)!.fate = fate;
      spans.push({ offset: batch.baseOffset, producerEpoch, values });
      open.delete(producer);
      continue;
    }
    if (batch.isControl || !batch.isTransactional) continue;
    for (const [index, value] of batch.values.entries()) {
      const offset = batch.offsets[index]!;
      const other = fates.get(value);
      if (other !== undefined)
        findings.add('T1', atMs, `${where}: '${value}' at ${other.offset} and ${offset}`);
      fates.set(value, { offset, fate: 'open' });
    }
    const batches = open.get(producer);
    if (batches === undefined) open.set(producer, [batch]);
    else batches.push(batch);
  }
  return { where, fates, spans };
}

/** T8 and T10. */
function checkProducers(history: History, mayLose: boolean, findings: Findings): void {
  const epochs = new Map<string, number>();
  const ids = new Map<string, string>();
  for (const begin of history.of('txnBegin')) {
    const { atMs, txn, transactionalId, producerId, producerEpoch, transactionVersion } = begin;
    const id = String(producerId);
    const owner = ids.get(id);
    if (owner !== undefined && owner !== transactionalId && !mayLose)
      findings.add('T10', atMs, `producer id ${id} of ${owner} is given to ${transactionalId}`);
    ids.set(id, transactionalId);
    const key = `${id} ${producerEpoch}`;
    const other = epochs.get(key);
    if (transactionVersion === 2 && other !== undefined && !mayLose)
      findings.add(
        'T8',
        atMs,
        `transactions ${other} and ${txn} of producer ${id} have both epoch ${producerEpoch}`,
      );
    epochs.set(key, txn);
  }
}

function knownTransactions(history: History): Map<number, KnownTransaction> {
  const transactions = new Map<number, KnownTransaction>();
  for (const begin of history.of('txnBegin')) {
    const { txn, atMs, process, transactionVersion: version, producerEpoch, isExposed } = begin;
    const who = { txn, atMs, process, version, producerEpoch, isExposed };
    transactions.set(txn, { ...who, sends: [], offset: undefined, outcome: 'unknown' });
  }
  for (const { txn, partition, values } of history.of('txnSend'))
    transactions.get(txn)!.sends.push({ partition, values });
  for (const { txn, offset } of history.of('txnOffset')) transactions.get(txn)!.offset = offset;
  for (const { txn, outcome } of history.of('txnEnd')) transactions.get(txn)!.outcome = outcome;
  return transactions;
}

/** T8, by each replica. */
function checkSeparation(
  transactions: ReadonlyMap<number, KnownTransaction>,
  contents: ReadonlyMap<PartitionKey, readonly LogContent[]>,
  findings: Findings,
): void {
  const owners = new Map<string, KnownTransaction>();
  for (const transaction of transactions.values())
    for (const { values } of transaction.sends) for (const value of values) owners.set(value, transaction);
  for (const { where, spans } of [...contents.values()].flat()) {
    const ended = new Map<KnownTransaction, Offset>();
    for (const { offset, producerEpoch, values } of spans) {
      const among = new Set(values.map(value => owners.get(value)).filter(each => each !== undefined));
      for (const each of among) {
        if (each.version < 2) continue;
        const what = `transaction ${each.txn} of ${each.process}, which the marker at ${offset} in ${where} ends`;
        const others = [...among].filter(other => other !== each).map(({ txn }) => txn);
        if (others.length > 0)
          findings.add('T8', each.atMs, `${what}, is mixed with transaction ${others.join(', ')}`);
        if (producerEpoch <= each.producerEpoch)
          findings.add('T8', each.atMs, `${what}, has epoch ${each.producerEpoch}, as the marker`);
        if (ended.has(each)) findings.add('T8', each.atMs, `${what}, was ended at ${ended.get(each)} before`);
        ended.set(each, offset);
      }
    }
  }
}

/** T4, by each replica. A producer commits only what was acknowledged, all of it. */
function checkAtomicity(
  { txn, atMs, process, sends, outcome, isExposed }: KnownTransaction,
  contents: ReadonlyMap<PartitionKey, readonly LogContent[]>,
  findings: Findings,
): void {
  if (isExposed) return;
  const visible: string[] = [];
  const missing: string[] = [];
  for (const { partition, values } of sends) {
    for (const { where, fates } of contents.get(partition) ?? []) {
      for (const value of values) {
        const fate = fates.get(value)?.fate ?? 'not there';
        (fate === 'committed' ? visible : missing).push(`'${value}' is ${fate} in ${where}`);
      }
    }
  }
  const name = `transaction ${txn} of ${process}, ${outcome}`;
  if (outcome === 'committed' && missing.length > 0) findings.add('T4', atMs, `${name}: ${missing[0]}`);
  if (outcome === 'aborted' && visible.length > 0) findings.add('T4', atMs, `${name}: ${visible[0]}`);
  if (outcome === 'unknown' && visible.length > 0 && missing.length > 0)
    findings.add('T4', atMs, `${name}: ${visible[0]}, ${missing[0]}`);
}

/** T7. The transactions of a group follow each other: they are those of one producer. */
function checkOffsets(
  history: History,
  transactions: ReadonlyMap<number, KnownTransaction>,
  contents: ReadonlyMap<PartitionKey, readonly LogContent[]>,
  findings: Findings,
): void {
  /** By group: offsets of which the last one that was committed is among them. */
  const last = new Map<string, Set<Offset>>();
  const ever = new Map<string, Set<Offset>>();
  const groupOf = new Map([...history.of('txnOffset')].map(({ txn, group }) => [txn, group]));
  const isExposed = ([txn]: readonly [txn: number, group: string]): boolean =>
    transactions.get(txn)!.isExposed;
  const exposed = new Set([...groupOf].filter(isExposed).map(([, group]) => group));
  for (const event of history.events) {
    if (event.kind === 'txnEnd') {
      const group = groupOf.get(event.txn);
      const transaction = transactions.get(event.txn)!;
      if (group === undefined || event.outcome === 'aborted') continue;
      const outcome = event.outcome === 'unknown' ? resolved(transaction, contents) : event.outcome;
      if (outcome === 'aborted') continue;
      const possible = outcome === 'committed' ? new Set<Offset>() : new Set<Offset>(last.get(group) ?? [-1]);
      last.set(group, possible.add(transaction.offset!));
      ever.set(group, (ever.get(group) ?? new Set()).add(transaction.offset!));
    } else if (event.kind === 'txnOffsetRead') {
      const { group, offset, isLast, atMs } = event;
      if (exposed.has(group)) continue;
      const possible = (isLast ? last : ever).get(group) ?? new Set();
      // A coordinator that was deposed without its knowledge may give an older one.
      if (possible.has(offset) || (offset === -1 && (!isLast || possible.size === 0))) continue;
      findings.add(
        'T7',
        atMs,
        `the offset of ${group} is ${offset}, of ${[...possible].join(', ') || 'none'}`,
      );
    }
  }
}

/** What became of a transaction whose producer does not know it, if its values say that. */
function resolved(
  { sends }: KnownTransaction,
  contents: ReadonlyMap<PartitionKey, readonly LogContent[]>,
): TransactionOutcome {
  const [first] = sends;
  const log = first === undefined ? undefined : contents.get(first.partition)?.[0];
  if (first === undefined || log === undefined) return 'unknown';
  return log.fates.get(first.values[0]!)?.fate === 'committed' ? 'committed' : 'aborted';
}

/** T5. */
function checkPolls(
  history: History,
  contents: ReadonlyMap<PartitionKey, readonly LogContent[]>,
  findings: Findings,
): void {
  const stable = new Map<string, Offset>();
  const read = new Map<PartitionKey, Set<string>>();
  for (const poll of history.of('txnPoll')) {
    checkStableOffset(poll, stable, findings);
    const { partition, records, atMs, isLast } = poll;
    const log = contents.get(partition)?.[0];
    if (log === undefined) continue;
    const values = read.get(partition) ?? new Set();
    read.set(partition, values);
    for (const { offset, value } of records) {
      const found = log.fates.get(value);
      const what = `'${value}' was read as committed at ${offset}`;
      if (found?.fate !== 'committed')
        findings.add('T5', atMs, `${what}: in ${log.where} it is ${found?.fate ?? 'not there'}`);
      if (values.has(value)) findings.add('T5', atMs, `${what} for the second time`);
      values.add(value);
    }
    if (!isLast) continue;
    for (const [value, { offset, fate }] of log.fates)
      if (fate === 'committed' && !values.has(value))
        findings.add('T5', atMs, `'${value}' at ${offset} in ${log.where} is committed and was never read`);
  }
}

function checkStableOffset(
  { partition, leaderEpoch, position, records, lastStableOffset, highWatermark, atMs }: RecordedOf<'txnPoll'>,
  stable: Map<string, Offset>,
  findings: Findings,
): void {
  const name = `the last stable offset of ${partition} in epoch ${leaderEpoch}`;
  if (lastStableOffset > highWatermark)
    findings.add('T5', atMs, `${name} is ${lastStableOffset}, the high watermark ${highWatermark}`);
  if (records.length > 0 && position > lastStableOffset)
    findings.add('T5', atMs, `${name} is ${lastStableOffset}, records were read up to ${position}`);
  const key = `${partition} ${leaderEpoch}`;
  const before = stable.get(key) ?? -1;
  if (lastStableOffset < before)
    findings.add('T5', atMs, `${name} fell from ${before} to ${lastStableOffset}`);
  stable.set(key, lastStableOffset);
}

/** Position of the state in a record of `__transaction_state`: version int16, producer id, epoch, timeout, state int8. */
const STATE_POSITION = 16;

/** States of coordinators and logs that runs are to reach, as their records say. */
export function transactionStates({ replicas }: FinalState): string[] {
  const states = new Set<string>();
  for (const { name, batches } of replicas) {
    if (name.startsWith(`${TRANSACTIONAL_TOPIC}-`) && hasRepeatedMarker(batches))
      states.add('a marker was sent again');
    if (name.startsWith(`${InternalTopic.TRANSACTION_STATE}-`) && hasTakenOver(batches))
      states.add('a coordinator moved with a prepared transaction');
  }
  return [...states];
}

/** Whether two markers of a producer follow each other with nothing between that the second one could end. */
function hasRepeatedMarker(batches: readonly BatchAtRest[]): boolean {
  const ended = new Set<string>();
  for (const { producerId, producerEpoch, marker } of batches) {
    const key = `${producerId} ${producerEpoch}`;
    if (marker === undefined) ended.delete(key);
    else if (ended.has(key)) return true;
    else ended.add(key);
  }
  return false;
}

/** Whether another leader than the one that has decided a transaction has noted that it is complete. */
function hasTakenOver(batches: readonly BatchAtRest[]): boolean {
  const decidedIn = new Map<string, number>();
  for (const { values, keys = [], leaderEpoch } of batches) {
    for (const [index, key] of keys.entries()) {
      const state = values[index]!.charCodeAt(STATE_POSITION);
      if (state === TransactionState.PREPARE_COMMIT || state === TransactionState.PREPARE_ABORT) {
        decidedIn.set(key, leaderEpoch);
        continue;
      }
      const epoch = decidedIn.get(key);
      if (epoch !== undefined && epoch !== leaderEpoch) return true;
      decidedIn.delete(key);
    }
  }
  return false;
}
