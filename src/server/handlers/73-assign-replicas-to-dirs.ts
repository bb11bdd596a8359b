import {
  AssignReplicasToDirsRequest,
  AssignReplicasToDirsResponse,
} from '../../protocol/messages/73-assign-replicas-to-dirs.ts';
import { defineControllerHandler } from '../handler.ts';

/** AssignReplicasToDirs, 0: a broker says in which of its log directories replicas are. */
export const assignReplicasToDirs = defineControllerHandler({
  request: AssignReplicasToDirsRequest,
  response: AssignReplicasToDirsResponse,
  authorize: ['ClusterAction Cluster'],
  handle: (_context, request, { controller }) => controller.assignReplicasToDirs(request),
});
