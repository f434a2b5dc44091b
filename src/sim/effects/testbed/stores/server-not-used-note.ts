/** Notes why DATABASE_URL or REDIS_URL is set but does not replace a node. */
import type { PostgresSpec, RedisSpec } from '../../../topology.ts';
import type { NodeContext } from '../node.ts';

export function noteServerNotUsed(
  variable: 'DATABASE_URL' | 'REDIS_URL',
  name: string,
  spec: PostgresSpec | RedisSpec,
  { env, onNote }: Pick<NodeContext, 'env' | 'onNote'>,
): void {
  if (!env[variable]) return;
  onNote(`${variable} does not replace ${name}: ${reasonOf(spec)}`);
}

function reasonOf(spec: PostgresSpec | RedisSpec): string {
  if (typeof spec.replaceable === 'object') return spec.replaceable.no;
  if (spec.kind === 'postgres' && spec.standbyOf !== undefined)
    return `its data is that of ${spec.standbyOf}`;
  return 'the scenario does not mark it as replaceable';
}
