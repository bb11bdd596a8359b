import { UpdateFeaturesRequest, UpdateFeaturesResponse } from '../../protocol/messages/57-update-features.ts';
import { defineControllerHandler } from '../handler.ts';

/**
 * UpdateFeatures, 0 to 2. v1 safe and unsafe downgrades in place of `allowDowngrade`, and `validateOnly`; v2 one error
 * for all features, of which none changes then, in place of a result for each.
 */
export const updateFeatures = defineControllerHandler({
  request: UpdateFeaturesRequest,
  response: UpdateFeaturesResponse,
  authorize: ['Alter Cluster'],
  handle: ({ apiVersion }, request, { controller }) => controller.updateFeatures(request, apiVersion),
});
