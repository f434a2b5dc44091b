/** Every kind of node. Adding one is a file in nodes/ and a line here. */
import { createRegistry } from '../../registry.ts';
import type { NodeKind } from './node.ts';
import { postgresKind } from './nodes/postgres.ts';
import { processKind } from './nodes/process.ts';
import { receiverKind } from './nodes/receiver.ts';
import { redisKind } from './nodes/redis.ts';

// Each kind gets specs of its own shape only.
// biome-ignore lint/suspicious/noExplicitAny: a heterogeneous registry, keyed by the spec's own kind.
export const NODE_KINDS = createRegistry<NodeKind<any>>('node', [
  postgresKind,
  redisKind,
  processKind,
  receiverKind,
]);
