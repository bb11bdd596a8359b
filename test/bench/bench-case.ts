import type { BrokerProcess } from '../support/broker-process.ts';

/** How long and how much: `full` for figures that count, `quick` to see that everything runs. */
export interface Scale {
  readonly name: 'full' | 'quick';
  /** Multiplies record counts and byte counts. */
  readonly share: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly partitionsPerTopic: number;
  readonly idleConnections: number;
  readonly settleMs: number;
}

export const FULL: Scale = {
  name: 'full',
  share: 1,
  seconds: 15,
  warmUpSeconds: 5,
  partitionsPerTopic: 1_000,
  idleConnections: 5_000,
  settleMs: 5_000,
};

export const QUICK: Scale = {
  name: 'quick',
  share: 0.02,
  seconds: 2,
  warmUpSeconds: 1,
  partitionsPerTopic: 20,
  idleConnections: 100,
  settleMs: 500,
};

/** What one figure means, so that the table can say whether more is better. */
export interface FigureInfo {
  readonly unit: string;
  readonly better: 'more' | 'less';
  /** The bar of the project: the ratio to Apache Kafka that is wanted; or an absolute value. */
  readonly barRatio?: number;
  readonly barValue?: number;
}

export type Figures = Record<string, number>;

export interface BenchContext {
  readonly broker: BrokerProcess;
  readonly scale: Scale;
  /** A folder that is removed after the round. */
  readonly workDirectory: string;
  /** Milliseconds from the start of the process to the first Metadata answer. */
  readonly startMs: number;
}

export interface BenchCase {
  readonly name: string;
  readonly about: string;
  readonly figures: Readonly<Record<string, FigureInfo>>;
  run(context: BenchContext): Promise<Figures>;
}
