import type { Admin, ITopicConfig } from 'kafkajs';
import { expect } from 'vitest';

/**
 * Creates topics in a cluster and waits until their partitions have leaders. kafkajs can wait too (`waitForLeaders`), but
 * it gives up when the broker that it asks has not heard of the topic yet, and a broker hears of it a moment after the
 * controller.
 */
export async function createTopicsWithLeaders(admin: Admin, topics: ITopicConfig[]): Promise<void> {
  await admin.createTopics({ topics, waitForLeaders: false });
  const names = topics.map(({ topic }) => topic);
  const leaderless = async (): Promise<number> => {
    const { topics: found } = await admin.fetchTopicMetadata({ topics: names });
    return found.flatMap(({ partitions }) => partitions).filter(({ leader }) => leader < 0).length;
  };
  await expect.poll(leaderless, { timeout: 20_000, message: `leaders of ${names.join(', ')}` }).toBe(0);
}
