import { errorName, Errors } from '../../../src/protocol/errors.ts';
import type { LogEntry } from '../../../src/raft/log-summary.ts';
import type { RaftMessage } from '../../../src/raft/raft-message.ts';
import type { Ready } from '../../../src/raft/ready.ts';
import { RaftSimulation, type SimulatedNode } from './raft-simulation.ts';

/** One entry in a few characters: `3@1 p2` is a batch at offset 3, written in epoch 1, with payload p2. */
function entryText({ baseOffset, lastOffset, epoch, controls, payload }: LogEntry): string {
  const offsets = baseOffset === lastOffset ? `${baseOffset}` : `${baseOffset}-${lastOffset}`;
  const content = controls.length > 0 ? controls.map(control => control.type).join('+') : String(payload);
  return `${offsets}@${epoch} ${content}`;
}

function messageText(message: RaftMessage): string {
  const error = 'error' in message && message.error !== Errors.NONE ? ` ${errorName(message.error)}` : '';
  const leader = 'leaderId' in message && message.leaderId !== undefined ? `, ${message.leaderId} leads` : '';
  switch (message.type) {
    case 'vote': {
      const what = message.preVote ? 'would you vote for me after' : 'vote for me in';
      return `${what} epoch ${message.epoch}? My log ends at ${message.lastOffset}@${message.lastEpoch}`;
    }
    case 'voteResponse':
      return `${message.voteGranted ? 'yes' : 'no'}, epoch ${message.epoch}${leader}${error}`;
    case 'beginQuorumEpoch':
      return `I lead in epoch ${message.epoch}`;
    case 'endQuorumEpoch':
      return `I no longer lead in epoch ${message.epoch}; next: ${message.preferredCandidates.map(key => key.id).join(', ')}`;
    case 'beginQuorumEpochResponse':
    case 'endQuorumEpochResponse':
      return `noted, epoch ${message.epoch}${leader}${error}`;
    case 'fetch':
      return `what comes after ${message.fetchOffset}@${message.lastFetchedEpoch}? I know of commits below ${message.highWatermark}`;
    case 'fetchResponse': {
      if (error !== '') return `no:${error}, epoch ${message.epoch}${leader}`;
      if (message.divergingEpoch !== undefined) {
        return `we part: my epoch ${message.divergingEpoch.epoch} ends at ${message.divergingEpoch.offset}`;
      }
      if (message.snapshotId !== undefined) {
        return `that is gone: take the snapshot ${message.snapshotId.offset}@${message.snapshotId.epoch}`;
      }
      const entries = (message.entries ?? []).map(entryText).join(', ') || 'nothing new';
      return `${entries}; committed below ${message.highWatermark}`;
    }
    case 'fetchSnapshot':
      return `the snapshot ${message.snapshotId.offset}@${message.snapshotId.epoch} from byte ${message.position}`;
    case 'fetchSnapshotResponse':
      return `bytes of ${message.snapshotId.offset}@${message.snapshotId.epoch} from ${message.position}${error}`;
  }
}

/** Runs the commands of a transcript over pure cores and writes down what they say and do. */
export class Transcript {
  private readonly lines: string[] = [];
  private readonly states = new Map<number, string>();
  private simulation: RaftSimulation | undefined;

  /**
   * `text` holds commands, lines that start with `>`, with what followed them; returns the same with what
   * follows now.
   */
  static replay(text: string): string {
    const transcript = new Transcript();
    for (const line of text.split('\n')) {
      if (line.startsWith('>')) {
        if (transcript.lines.length > 0 && transcript.lines.at(-1) !== '') transcript.lines.push('');
        transcript.lines.push(line);
        transcript.command(line.slice(1).trim().split(/\s+/));
      } else if (line.startsWith('#')) {
        if (transcript.lines.length > 0 && !transcript.lines.at(-1)!.startsWith('#'))
          transcript.lines.push('');
        transcript.lines.push(line);
      }
    }
    return `${transcript.lines.join('\n')}\n`;
  }

  private command([name, ...args]: string[]): void {
    const number = (i: number): number => Number(args[i]);
    if (name === 'quorum') {
      this.simulation = new RaftSimulation({ nodes: number(0), dynamic: args.includes('dynamic'), seed: 1 });
      this.simulation.onMessage = (message, what) => {
        if (what === 'sent') this.lines.push(`${message.from} -> ${message.to}  ${messageText(message)}`);
      };
      this.simulation.onReady = (node, ready) => this.ready(node, ready);
      return;
    }
    const simulation = this.simulation!;
    switch (name) {
      case 'start':
        for (const id of args) simulation.start(Number(id));
        return;
      case 'observer':
        simulation.addObserver(number(0));
        return;
      case 'time':
        simulation.tick(number(0));
        return;
      case 'deliver':
        this.deliver(args);
        return;
      case 'drop':
        simulation.drop(message => args.length === 0 || this.matches(message, args));
        return;
      case 'flush':
        simulation.flush(number(0));
        return;
      case 'propose':
        simulation.propose(number(0), args[1] === undefined ? 1 : number(1));
        return;
      case 'crash':
        simulation.crash(number(0), args[1] === undefined ? 0 : number(1));
        this.states.delete(number(0));
        return;
      case 'resign':
        simulation.resign(number(0));
        return;
      case 'snapshot':
        simulation.snapshot(number(0));
        return;
      case 'add-voter':
        this.outcome(simulation.addVoter(number(0), number(1)));
        return;
      case 'remove-voter':
        this.outcome(simulation.removeVoter(number(0), number(1)));
        return;
      default:
        throw new Error(`unknown command '${name}'`);
    }
  }

  private outcome(refused: number | undefined): void {
    if (refused !== undefined) this.lines.push(`   refused: ${errorName(refused)}`);
  }

  /**
   * `deliver` what is there now; `deliver all`: until nobody has anything to say; `deliver 1->2`: one way.
   */
  private deliver(args: string[]): void {
    const simulation = this.simulation!;
    const all = args[0] === 'all';
    const ways = all ? args.slice(1) : args;
    for (let round = 0; round < (all ? 20 : 1); round++) {
      const present = simulation.network.filter(message => ways.length === 0 || this.matches(message, ways));
      for (const message of present) {
        const index = simulation.network.indexOf(message);
        if (index >= 0) simulation.deliver(index);
      }
      if (all) for (const node of simulation.running) simulation.flush(node.id);
    }
  }

  private matches(message: RaftMessage, ways: readonly string[]): boolean {
    return ways.includes(`${message.from}->${message.to}`);
  }

  private ready(node: SimulatedNode, ready: Ready): void {
    const core = node.core!;
    const state = `${core.stateName} in epoch ${core.epoch}`;
    if (this.states.get(node.id) !== state) this.lines.push(`   ${node.id} is ${state}`);
    this.states.set(node.id, state);
    if (ready.persist?.votedKey !== undefined && ready.persist.leaderId === undefined) {
      this.lines.push(
        `   ${node.id} writes down its vote for ${ready.persist.votedKey.id} in epoch ${ready.persist.epoch}`,
      );
    }
    if (ready.truncateTo !== undefined) this.lines.push(`   ${node.id} cuts its log at ${ready.truncateTo}`);
    if (ready.appends.length > 0)
      this.lines.push(`   ${node.id} appends ${ready.appends.map(entryText).join(', ')}`);
    if (ready.snapshotChunk?.last === true) this.lines.push(`   ${node.id} loads the snapshot`);
    if (ready.highWatermark !== undefined)
      this.lines.push(`   ${node.id} knows of commits below ${ready.highWatermark}`);
  }
}
