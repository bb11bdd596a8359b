import { OffsetManager } from '../../../src/coordinator/group/offset-manager.ts';
import { TransactionCompleter } from '../../../src/coordinator/transaction/transaction-completer.ts';
import { TransactionManager } from '../../../src/coordinator/transaction/transaction-manager.ts';
import { TransactionState } from '../../../src/coordinator/transaction/transaction-state.ts';
import { TransactionCoordinator } from '../../../src/coordinator/transaction-coordinator.ts';
import { ProducerStateManager } from '../../../src/log/producer-state-manager.ts';
import { UnifiedLog } from '../../../src/log/unified-log.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { Partition } from '../../../src/replication/partition.ts';
import { TransactionMarkerChannel } from '../../../src/server/transaction-marker-channel.ts';
import { type Inner, type Mutant, patch, patchGetter } from './mutant.ts';

/** Defects of transactions, in their coordinator, in the logs and in groups. */
export const transactionMutants: readonly Mutant[] = [
  {
    name: 'decision-answered-early',
    description: 'The end of a transaction is answered before the decision is committed.',
    caughtBy: ['T4', 'T7'],
    apply: () => {
      let decided: Inner;
      const manager = patch(
        TransactionManager,
        'endTransaction',
        original =>
          function (this: Inner, ...given: Inner[]) {
            const result = original.apply(this, given);
            decided = result.records.length > 0 ? result.response : undefined;
            return result;
          },
      );
      const coordinator = patch(
        TransactionCoordinator,
        'endTransaction',
        original =>
          function (this: Inner, request: Inner) {
            decided = undefined;
            const answer = original.call(this, request);
            return decided === undefined ? answer : Promise.resolve(decided);
          },
      );
      return () => {
        coordinator();
        manager();
      };
    },
  },
  {
    name: 'decisions-not-taken-up',
    description: 'A coordinator that is elected does not carry out what the one before it has decided.',
    caughtBy: ['liveness', 'T6'],
    apply: () =>
      patch(
        TransactionCompleter,
        'onLoaded',
        () =>
          function (this: Inner) {
            this.isActive = true;
          },
      ),
  },
  {
    name: 'old-coordinator-writes-markers',
    description: 'A log takes markers of a coordinator that has been replaced.',
    caughtBy: ['T3', 'T4'],
    apply: () =>
      patch(
        ProducerStateManager,
        'validateMarker',
        original =>
          function (this: Inner, ...given: Inner[]) {
            try {
              original.apply(this, given);
            } catch (error) {
              const isFenced =
                error instanceof KafkaError && error.code === Errors.TRANSACTION_COORDINATOR_FENCED;
              if (!isFenced) throw error;
            }
          },
      ),
  },
  {
    name: 'end-keeps-epoch',
    description: 'The end of a transaction of version 2 leaves its producer the epoch.',
    caughtBy: ['T8', 'T4'],
    apply: () =>
      patch(
        TransactionManager,
        'endTransaction',
        original =>
          function (this: Inner, request: Inner, newProducerId: Inner) {
            const result = original.call(this, { ...request, transactionVersion: 0 }, newProducerId);
            const { errorCode } = result.response;
            if (errorCode !== Errors.NONE) return result;
            const { producerId, producerEpoch } = request;
            return { ...result, response: { errorCode, producerId, producerEpoch } };
          },
      ),
  },
  {
    name: 'late-end-ends-next',
    description: 'The end of a transaction of version 2 that comes late ends the next one.',
    caughtBy: ['T4', 'T7', 'T8'],
    apply: () =>
      patch(
        TransactionManager,
        'endTransaction',
        original =>
          function (this: Inner, request: Inner, newProducerId: Inner) {
            const present = this.transactions.get(request.transactionalId);
            const isLate =
              request.transactionVersion === 2 &&
              present?.state === TransactionState.ONGOING &&
              present.producerId === request.producerId &&
              present.producerEpoch === request.producerEpoch + 1;
            const producerEpoch = request.producerEpoch + (isLate ? 1 : 0);
            return original.call(this, { ...request, producerEpoch }, newProducerId);
          },
      ),
  },
  {
    name: 'late-writes-taken',
    description: 'Where a producer has a transaction open, a log takes what it has sent for an earlier one.',
    caughtBy: ['T3', 'T4', 'T7', 'T8'],
    apply: () => {
      const isOpen = (log: Inner, producerId: Inner): boolean =>
        log.producers.get(producerId)?.currentTxnFirstOffset !== undefined;
      const begin = patch(
        ProducerStateManager,
        'maybeStartVerification',
        original =>
          function (this: Inner, producerId: Inner, ...given: Inner[]) {
            return isOpen(this, producerId) ? undefined : original.call(this, producerId, ...given);
          },
      );
      const undo = ['checkVerified', 'validate'].map(check =>
        patch(
          ProducerStateManager,
          check,
          original =>
            function (this: Inner, batch: Inner, ...given: Inner[]) {
              const isLate = batch.producerEpoch < this.producers.get(batch.producerId)?.producerEpoch;
              if (batch.isControlBatch || !isLate || !isOpen(this, batch.producerId))
                original.call(this, batch, ...given);
            },
        ),
      );
      return () => {
        for (const each of [begin, ...undo]) each();
      };
    },
  },
  {
    name: 'stable-offset-passes-open',
    description: 'The last stable offset does not stop at open transactions.',
    caughtBy: ['T5'],
    apply: () =>
      patchGetter(
        UnifiedLog,
        'lastStableOffset',
        () =>
          function (this: Inner) {
            return this.highWatermark;
          },
      ),
  },
  {
    name: 'pending-offsets-at-once',
    description: 'The offsets of an open transaction count before it is committed.',
    caughtBy: ['T7'],
    apply: () =>
      patch(
        OffsetManager,
        'replay',
        original =>
          function (this: Inner, record: Inner, position: Inner) {
            original.call(this, record, { ...position, producerId: -1 });
          },
      ),
  },
  {
    name: 'offsets-survive-abort',
    description: 'The offsets of a transaction count when it ends, however it does.',
    caughtBy: ['T7'],
    apply: () =>
      patch(
        OffsetManager,
        'replayEndTransactionMarker',
        original =>
          function (this: Inner, producerId: Inner) {
            original.call(this, producerId, true);
          },
      ),
  },
  {
    name: 'marker-not-sent-again',
    description: 'A marker that could not be written counts as written.',
    caughtBy: ['T6', 'T4', 'liveness'],
    apply: () =>
      patch(
        TransactionMarkerChannel,
        'sendLater',
        () =>
          function (this: Inner, job: Inner) {
            job.isDone = true;
            job.resolve('written');
          },
      ),
  },
  {
    name: 'transactions-not-verified',
    description: 'A partition takes records of a transaction that its coordinator does not know of.',
    caughtBy: ['T6', 'T4', 'liveness'],
    apply: () => patch(Partition, 'maybeStartTransactionVerification', () => () => undefined),
  },
  {
    name: 'zombie-ends-transaction',
    description: 'A producer that has been replaced may end the transaction of the one that came after it.',
    caughtBy: ['T4', 'T7', 'T3', 'T8'],
    apply: () =>
      patch(
        TransactionManager,
        'endTransaction',
        original =>
          function (this: Inner, request: Inner, newProducerId: Inner) {
            const present = this.transactions.get(request.transactionalId);
            if (present === undefined || present.producerId !== request.producerId)
              return original.call(this, request, newProducerId);
            return original.call(this, { ...request, producerEpoch: present.producerEpoch }, newProducerId);
          },
      ),
  },
];
