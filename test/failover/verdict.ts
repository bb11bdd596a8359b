import { type ClientHistory, IDEMPOTENT } from './client-history.ts';
import type { LogContents } from './replicas.ts';

/** Loss, doubling and disorder in the logs of one client's topic. */
export function problemsIn(history: ClientHistory, logs: readonly LogContents[]): string[] {
  const problems: string[] = [];
  const report = (what: string, found: readonly string[]) => {
    if (found.length > 0) problems.push(`${what}: ${found.length} (${found.slice(0, 5).join('; ')})`);
  };
  const lost = history.acked.flatMap(({ partition, offset, number }) => {
    const log = logs[partition];
    // librdkafka knows no offset when the broker says that a retried batch was there already.
    const there = offset < 0 ? log?.values.includes(`${number}`) : log?.values[offset] === `${number}`;
    if (there === true) return [];
    return [`${number} at ${partition}/${offset}, there is ${log?.values[offset]}, ${log?.batchOf(offset)}`];
  });
  report('acknowledged records that are not at their offset', lost);
  for (const [partition, { values }] of logs.entries()) {
    const read = history.values[partition] ?? [];
    // What was read behind the end of the log was never committed.
    const offsets = Array.from({ length: Math.max(values.length, read.length) }, (_, offset) => offset);
    const misread = offsets.flatMap(offset =>
      read[offset] === values[offset]
        ? []
        : [`offset ${offset}: read ${read[offset]}, in the log ${values[offset]}`],
    );
    report(`records of partition ${partition} that were read otherwise`, misread);
  }
  if (IDEMPOTENT.has(history.client)) problems.push(...brokenPromises(history, logs));
  if (problems.length > 0) problems.push(`the client said: ${history.notes.slice(-5).join('; ')}`);
  return problems;
}

/** What an idempotent producer rules out. */
function brokenPromises(history: ClientHistory, logs: readonly LogContents[]): string[] {
  const problems: string[] = [];
  for (const [partition, { values, batchOf }] of logs.entries()) {
    const seen = new Map<string, number>();
    for (const [offset, value] of values.entries()) {
      const first = seen.get(value);
      seen.set(value, offset);
      const before = values[offset - 1] ?? '-1';
      const where = `partition ${partition}: ${value} at ${offset}`;
      if (first !== undefined) problems.push(`${where} and ${first}: ${batchOf(offset)} | ${batchOf(first)}`);
      else if (Number(value) < Number(before)) problems.push(`${where} behind ${before}: ${batchOf(offset)}`);
    }
  }
  const held = logs.reduce((sum, { values }) => sum + values.length, 0);
  if (held !== history.sent) problems.push(`the logs hold ${held} records, ${history.sent} were sent`);
  if (history.acked.length !== history.sent) {
    problems.push(`${history.acked.length} of ${history.sent} sends were acknowledged`);
  }
  return problems;
}
