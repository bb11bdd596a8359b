import { expect, it } from 'vitest';
import { internalTopic } from '../../src/controller/internal-topics.ts';
import { ControllerHarness, testConfig } from './support/controller-harness.ts';

it('creates internal topics with their own settings, and leaves other names alone', async () => {
  const config = testConfig({ 'offsets.topic.replication.factor': '1' });
  expect(internalTopic('x', config)).toBeUndefined();
  const { controller } = await ControllerHarness.started([1]);
  const topics = [internalTopic('__consumer_offsets', config)!];
  await controller.createTopics({ topics, timeoutMs: 1000, validateOnly: false });
  const image = controller.image();
  expect(image.topics.topic('__consumer_offsets')?.partitions).toHaveLength(50);
  expect(image.configs.topic('__consumer_offsets')).toEqual(
    new Map([
      ['compression.type', 'producer'],
      ['cleanup.policy', 'compact'],
      ['segment.bytes', '104857600'],
    ]),
  );
});
