import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { metadataRecord } from '../../src/metadata/metadata-record.ts';
import type { BrokerToControllerChannel } from '../../src/server/broker-to-controller-channel.ts';
import { ControllerRegistrationManager } from '../../src/server/controller-registration-manager.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { imageOf } from './handlers/handler-harness.ts';

const [OWN, OTHER] = ['YWFhYWFhYWFhYWFhYWFhYQ', 'YmJiYmJiYmJiYmJiYmJiYg'];
const NEW_ENOUGH = metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel: 25 });

let runtime: ManualRuntime;
let logger: MemoryLogger;
let sent: { resolve(answer: object): void; reject(error: unknown): void }[];
let manager: ControllerRegistrationManager;

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

function publish(incarnationId: string | undefined, level = NEW_ENOUGH): void {
  const image =
    incarnationId === undefined
      ? imageOf(level)
      : imageOf(
          level,
          metadataRecord('RegisterControllerRecord', {
            controllerId: 1,
            incarnationId,
            zkMigrationReady: false,
            endPoints: [],
            features: [],
          }),
        );
  manager.onMetadataUpdate(new MetadataDelta(MetadataImage.EMPTY), image);
}

beforeEach(() => {
  runtime = new ManualRuntime();
  logger = new MemoryLogger();
  sent = [];
  const channel = {
    send: () => new Promise((resolve, reject) => sent.push({ resolve, reject })),
  } as unknown as BrokerToControllerChannel;
  manager = new ControllerRegistrationManager(runtime, logger, channel, {
    controllerId: 1,
    incarnationId: OWN,
    zkMigrationReady: false,
    listeners: [],
    features: [],
  });
});

describe('ControllerRegistrationManager', () => {
  test('registers where the metadata holds no registration of this process, once', async () => {
    publish(OTHER);
    publish(OTHER);
    expect(sent).toHaveLength(1);
    sent[0]!.resolve({ errorCode: 0, errorMessage: null });
    await settle();
    publish(OWN);
    runtime.advance(10_000);
    expect(sent).toHaveLength(1);
  });

  test('waits for a metadata version that knows controllers', () => {
    publish(undefined, metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel: 7 }));
    expect(sent).toEqual([]);
    publish(undefined);
    expect(sent).toHaveLength(1);
  });

  test('tries again after a refusal or a failure, until the metadata has it', async () => {
    publish(undefined);
    sent[0]!.resolve({ errorCode: 35, errorMessage: 'features' });
    await settle();
    expect(logger.messages('warn')).toHaveLength(1);
    runtime.advance(1000);
    sent[1]!.reject(new Error('no controller'));
    await settle();
    runtime.advance(1000);
    expect(sent).toHaveLength(3);
    manager.close();
    sent[2]!.reject(new Error('closed'));
    await settle();
    runtime.advance(10_000);
    expect(sent).toHaveLength(3);
  });

  test('registers again when the registration is gone', async () => {
    publish(undefined);
    sent[0]!.resolve({ errorCode: 0, errorMessage: null });
    await settle();
    publish(OWN);
    runtime.advance(5000);
    publish(undefined);
    expect(sent).toHaveLength(2);
  });
});
