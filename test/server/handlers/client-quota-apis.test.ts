import { beforeEach, describe, expect, it } from 'vitest';
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from '../../../src/protocol/messages/48-describe-client-quotas.ts';
import {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../../src/protocol/messages/49-alter-client-quotas.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import { describeClientQuotas } from '../../../src/server/handlers/48-describe-client-quotas.ts';
import { alterClientQuotas } from '../../../src/server/handlers/49-alter-client-quotas.ts';
import { ControllerHarness } from '../../controller/support/controller-harness.ts';
import { ask } from './handler-harness.ts';

const DESCRIBE = [DescribeClientQuotasRequest, DescribeClientQuotasResponse] as const;
const ALTER = [AlterClientQuotasRequest, AlterClientQuotasResponse] as const;

describe('the APIs of quotas', () => {
  let services: Partial<ControllerServices & BrokerServices>;
  let harness: ControllerHarness;

  beforeEach(async () => {
    harness = await ControllerHarness.started([1]);
    services = { controller: harness.controller, metadata: () => harness.loader.image() };
  });

  it.each([0, 1])('set and show quotas at version %i', async version => {
    const entity = [
      { entityType: 'client-id', entityName: null },
      { entityType: 'user', entityName: 'ä' },
    ];
    const altered = await ask(alterClientQuotas, services, ALTER, version, {
      entries: [
        { entity, ops: [{ key: 'request_percentage', value: 12.5, remove: false }] },
        { entity: [{ entityType: 'ip', entityName: 'x' }], ops: [] },
      ],
      validateOnly: false,
    });
    expect(altered!.entries).toMatchObject([
      { errorCode: 0, errorMessage: null, entity },
      { errorCode: 42, entity: [{ entityType: 'ip', entityName: 'x' }] },
    ]);
    const all = { components: [], strict: false };
    const described = await ask(describeClientQuotas, services, DESCRIBE, version, all);
    expect(described).toEqual({
      throttleTimeMs: 0,
      errorCode: 0,
      errorMessage: '',
      entries: [{ entity, values: [{ key: 'request_percentage', value: 12.5 }] }],
    });
    const refused = await ask(describeClientQuotas, services, DESCRIBE, version, {
      components: [{ entityType: 'group', matchType: 0, match: 'g' }],
      strict: false,
    });
    expect(refused).toMatchObject({ errorCode: 35, entries: null });
  });

  it.each([0, 1])('say of every entity that this is not the controller, at version %i', async version => {
    harness.quorum.elect(2);
    const entity = [{ entityType: 'user', entityName: 'u' }];
    const entries = [{ entity, ops: [{ key: 'producer_byte_rate', value: 1, remove: false }] }];
    const answer = await ask(alterClientQuotas, services, ALTER, version, { entries, validateOnly: false });
    expect(answer!.entries).toMatchObject([{ errorCode: 41, entity }]);
  });
});
