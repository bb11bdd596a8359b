import type { ToolContext } from '../tool-context.ts';
import { bytesText } from '../text-table.ts';
import type { Progress } from './reassignment-executor.ts';

const PERIOD_MS = 2_000;

/** Prints how far a move is: when partitions have arrived, and now and then in between. */
export function progressPrinter(context: ToolContext): (progress: Progress) => void {
  let shown = '';
  let shownDone = -1;
  let nextMs = 0;
  return ({ done, total, copiedBytes, totalBytes }) => {
    const now = context.runtime.clock.monotonicMs();
    const bytes = totalBytes > 0 ? `, ${bytesText(copiedBytes)} of ${bytesText(totalBytes)}` : '';
    const line = `Moved ${done} of ${total} partitions${bytes}`;
    if (line === shown || (now < nextMs && done < total) || (done === shownDone && now < nextMs)) return;
    shown = line;
    shownDone = done;
    nextMs = now + PERIOD_MS;
    context.print(line);
  };
}
