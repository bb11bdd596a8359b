import type { BrokerProcess } from '../support/broker-process.ts';
import type { ClusterProcess } from '../support/cluster-process.ts';

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
  /** How often a broker is killed for each figure of a failover. */
  readonly failovers: number;
}

export const FULL: Scale = {
  name: 'full',
  share: 1,
  seconds: 15,
  warmUpSeconds: 5,
  partitionsPerTopic: 1_000,
  idleConnections: 5_000,
  settleMs: 5_000,
  failovers: 10,
};

export const QUICK: Scale = {
  name: 'quick',
  share: 0.02,
  seconds: 2,
  warmUpSeconds: 1,
  partitionsPerTopic: 20,
  idleConnections: 100,
  settleMs: 500,
  failovers: 1,
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

/** What every round has, whatever is started for it. */
interface Round {
  readonly scale: Scale;
  /** A folder that is removed after the round. */
  readonly workDirectory: string;
  /** Milliseconds from the start of the process to the first Metadata answer; of a cluster, to its last node's. */
  readonly startMs: number;
}

export interface BenchContext extends Round {
  readonly broker: BrokerProcess;
  /** Memory that the broker uses once all garbage is collected; for a case that says `looksAtLiveMemory`. */
  liveBytes(): Promise<number>;
}

export interface ClusterBenchContext extends Round {
  /** Three nodes, each broker and controller. */
  readonly cluster: ClusterProcess;
}

interface CaseInfo {
  readonly name: string;
  readonly about: string;
  readonly figures: Readonly<Record<string, FigureInfo>>;
}

/** A case of one broker alone. */
export interface BenchCase extends CaseInfo {
  /** Of the broker, alike for both kinds. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Has a probe loaded into the broker, which costs some of its time to start. */
  readonly looksAtLiveMemory?: boolean;
  run(context: BenchContext): Promise<Figures>;
}

/** A case of three brokers. */
export interface ClusterBenchCase extends CaseInfo {
  /** Of every node, alike for both kinds of broker. */
  readonly properties?: Readonly<Record<string, string>>;
  runOnCluster(context: ClusterBenchContext): Promise<Figures>;
}

export type AnyBenchCase = BenchCase | ClusterBenchCase;
