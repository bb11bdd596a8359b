import { add64, type ProducerId } from '../../base/int64.ts';

/** A run of producer ids that the controller has given to this broker alone (T10). */
export interface ProducerIdBlock {
  readonly firstProducerId: ProducerId;
  readonly size: number;
}

/** Hands out producer ids, each once. A new block is asked for when the last one is used up. */
export class ProducerIdManager {
  private readonly allocateBlock: () => Promise<ProducerIdBlock>;
  private block: ProducerIdBlock = { firstProducerId: 0, size: 0 };
  private used = 0;
  private allocation: Promise<void> | undefined;

  /** `allocateBlock` asks the controller; its rejection is that of those who wait for an id. */
  constructor(allocateBlock: () => Promise<ProducerIdBlock>) {
    this.allocateBlock = allocateBlock;
  }

  async next(): Promise<ProducerId> {
    while (this.used >= this.block.size) {
      this.allocation ??= this.allocate();
      await this.allocation;
    }
    return add64(this.block.firstProducerId, this.used++);
  }

  private async allocate(): Promise<void> {
    try {
      this.block = await this.allocateBlock();
      this.used = 0;
    } finally {
      this.allocation = undefined;
    }
  }
}
