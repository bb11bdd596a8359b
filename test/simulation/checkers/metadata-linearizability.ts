import type { Uuid } from '../../../src/base/uuid.ts';
import { type Checker, type CheckOptions, Findings } from './checker.ts';
import type { FinalState } from './final-state.ts';
import type { AdminCall, History, RecordedOf } from './history.ts';
import { checkLinearizable, type Model, type Operation } from './linearizability.ts';

/** A topic name: absent, or there under an id, which a creation without an answer leaves open. */
type TopicState = { readonly exists: false } | { readonly exists: true; readonly id: Uuid | undefined };

interface TopicOutput {
  readonly error: string;
  readonly topicId: Uuid | undefined;
}

type TopicInput = 'create' | 'delete';

/** A call that was answered sooner was sent to the controller once. */
const SENT_TWICE_MS = 50;
/** What an attempt that nobody heard the answer of has for one: it took effect, or did not arrive. */
const UNHEARD: TopicOutput = { error: 'UNHEARD', topicId: undefined };
const ABSENT: TopicState = { exists: false };

/**
 * A register per topic name. Requests are sent on to the controller, and again if the connection breaks or another
 * controller leads: "it exists already" may therefore mean the call's own first attempt, so it tells no more than that
 * the topic is there then. And what took effect at the first attempt may do so again at the second, where somebody has
 * undone it between the two: a slow call is one more attempt, unheard, which may have come at any time until the
 * answer, and one without an answer at any time.
 */
const topicModel: Model<TopicState, TopicInput, TopicOutput> = {
  initial: ABSENT,
  step(state, input, output) {
    if (input === 'create') {
      if (output === undefined) return state.exists ? [] : [{ exists: true, id: undefined }];
      if (output.error === 'NONE') return state.exists ? [] : [{ exists: true, id: output.topicId }];
      if (output.error === 'TOPIC_ALREADY_EXISTS')
        return [state.exists ? state : { exists: true, id: undefined }];
      if (output === UNHEARD && !state.exists) return [state, { exists: true, id: undefined }];
      return [state];
    }
    if (output === undefined) return state.exists ? [ABSENT] : [];
    if (output.error === 'NONE') return state.exists ? [ABSENT] : [];
    if (output.error === 'UNKNOWN_TOPIC_OR_PARTITION') return [ABSENT];
    if (output === UNHEARD && state.exists) return [state, ABSENT];
    return [state];
  },
  keyOf: state => (state.exists ? `there ${state.id ?? '?'}` : 'absent'),
};

interface AdminOperation {
  readonly admin: RecordedOf<'admin'>;
  readonly done: RecordedOf<'adminDone'> | undefined;
}

/**
 * M10: what the controller was asked to change took effect at some moment between the call and its answer, at most once
 * for each time that it was asked, and it was asked once if the answer came at once; what brokers showed of it was true
 * at some time, and what remains at the end is what the last change made.
 */
export const checkMetadataLinearizable: Checker = (history, end, options) => {
  const findings = new Findings();
  const byTopic = operationsByTopic(history);
  for (const [topic, operations] of byTopic) {
    checkTopic(topic, operations, end, options, findings);
    checkDescriptions(topic, operations, findings);
    checkConfigs(topic, operations, findings);
  }
  return findings.violations;
};

function operationsByTopic(history: History): Map<string, AdminOperation[]> {
  const done = new Map<number, RecordedOf<'adminDone'>>();
  for (const event of history.of('adminDone')) done.set(event.op, event);
  const byTopic = new Map<string, AdminOperation[]>();
  for (const admin of history.of('admin')) {
    if (admin.call.name === 'other') continue;
    const { topic } = admin.call;
    const operation = { admin, done: done.get(admin.op) };
    const operations = byTopic.get(topic);
    if (operations === undefined) byTopic.set(topic, [operation]);
    else operations.push(operation);
  }
  return byTopic;
}

function inputOf(call: AdminCall): TopicInput | undefined {
  if (call.name === 'createTopic') return 'create';
  return call.name === 'deleteTopic' ? 'delete' : undefined;
}

function checkTopic(
  topic: string,
  operations: readonly AdminOperation[],
  end: FinalState,
  { atRest, lateBytes }: CheckOptions,
  findings: Findings,
): void {
  const changes: Operation<TopicInput, TopicOutput>[] = [];
  for (const { admin, done } of operations) {
    const input = inputOf(admin.call);
    if (input === undefined) continue;
    const isOpen = done === undefined || !done.definite;
    changes.push({
      name: `${input} by ${admin.process}`,
      invokedMs: admin.atMs,
      returnedMs: isOpen ? Number.POSITIVE_INFINITY : done.atMs,
      input,
      output: isOpen ? undefined : { error: done.error, topicId: done.topicId },
    });
    if (!isOpen && done.atMs - admin.atMs < SENT_TWICE_MS) continue;
    const mayBeLate = isOpen || lateBytes;
    const name = `${input} by ${admin.process}, ${mayBeLate ? 'late' : 'another attempt'}`;
    const call = changes.at(-1)!;
    if (mayBeLate) changes.push({ ...call, name, returnedMs: Number.POSITIVE_INFINITY, output: undefined });
    else changes.push({ ...call, name, output: UNHEARD });
  }
  if (changes.length === 0) return;
  const found = end.partitions.find(({ name }) => name === `${topic}-0`);
  const idAtEnd = found?.partition.slice(0, found.partition.lastIndexOf(':'));
  const mayEndWith = (state: TopicState): boolean =>
    !atRest ||
    end.partitions.length === 0 ||
    (state.exists ? idAtEnd !== undefined && (state.id ?? idAtEnd) === idAtEnd : idAtEnd === undefined);
  if (checkLinearizable(changes, topicModel, mayEndWith) !== 'notLinearizable') return;
  const told = changes
    .slice(-8)
    .map(({ name, invokedMs, returnedMs, output }) => {
      const until = returnedMs === Number.POSITIVE_INFINITY ? '' : Math.round(returnedMs);
      return `${name} ${Math.round(invokedMs)}..${until} ${output?.error ?? 'no answer'}`;
    })
    .join('; ');
  const last = atRest ? `; at the end it is ${idAtEnd === undefined ? 'absent' : 'there'}` : '';
  findings.add(
    'M10',
    end.atMs,
    `no order of the calls explains the answers about topic ${topic}: ${told}${last}`,
  );
}

/** A broker may be behind, but it shows no id that nobody made, and none before it was asked for. */
function checkDescriptions(topic: string, operations: readonly AdminOperation[], findings: Findings): void {
  const ids = new Set<string>();
  let open = 0;
  for (const { admin, done } of operations) {
    if (admin.call.name !== 'createTopic') continue;
    const isTold = done?.error === 'NONE' && done.topicId !== undefined;
    if (isTold) ids.add(done.topicId);
    // One without an answer, one that found its own first attempt, or one whose first attempt somebody has undone, may
    // have made an id that nobody was told.
    if (isTold) open += done.atMs - admin.atMs < SENT_TWICE_MS ? 0 : 1;
    else if (done === undefined || !done.definite || done.error === 'TOPIC_ALREADY_EXISTS') open++;
  }
  const unknown = new Set<string>();
  for (const { admin, done } of operations) {
    if (admin.call.name !== 'describeTopic' || done?.error !== 'NONE' || done.topicId === undefined) continue;
    if (!ids.has(done.topicId)) unknown.add(done.topicId);
    if (unknown.size > open)
      findings.add(
        'M10',
        done.atMs,
        `${admin.process} saw topic ${topic} with id ${done.topicId}, which nobody made`,
      );
  }
}

/** A configuration that is read was written by somebody, before the answer. */
function checkConfigs(topic: string, operations: readonly AdminOperation[], findings: Findings): void {
  const written = new Map<string, number>();
  for (const { admin } of operations) {
    if (admin.call.name === 'setConfig') written.set(admin.call.value, admin.atMs);
  }
  const initial = new Set<string>();
  for (const { admin, done } of operations) {
    if (admin.call.name !== 'getConfig' || done?.error !== 'NONE' || done.value === undefined) continue;
    const writtenMs = written.get(done.value);
    if (writtenMs === undefined) initial.add(done.value);
    if (initial.size > 1 || (writtenMs !== undefined && writtenMs > done.atMs)) {
      findings.add(
        'M10',
        done.atMs,
        `${admin.process} read ${admin.call.key}=${done.value} of topic ${topic}, which nobody had written`,
      );
    }
  }
}
