/** What was measured while a fault held, against what must be seen of its kind. */
import type { FaultEvidence } from '../../history.ts';

const MAX_SHOWN = 2;

/** The measurements that contradict the fault, each as a clause: `forwarded by gateway.1->redis: 812 bytes, at most 0`. */
export function contradictions(evidence: readonly FaultEvidence[]): string[] {
  return evidence.filter((one) => !agrees(one)).map(describe);
}

/** `forwarded by gateway.1->redis: 0 bytes; and 3 more`. Empty without evidence. */
export function evidenceText(evidence: readonly FaultEvidence[]): string {
  const shown = evidence.slice(0, MAX_SHOWN).map(({ what, value }) => `${what}: ${format(value)}`);
  const more = evidence.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

/** A measurement that could not be made proves nothing. */
function agrees({ value, atLeast, atMost }: FaultEvidence): boolean {
  if (value === null) return false;
  return value >= (atLeast ?? value) && value <= (atMost ?? value);
}

function describe({ what, value, atLeast, atMost }: FaultEvidence): string {
  const limit =
    atMost !== undefined && atMost === atLeast
      ? `exactly ${format(atMost)}`
      : [
          ...(atLeast === undefined ? [] : [`at least ${format(atLeast)}`]),
          ...(atMost === undefined ? [] : [`at most ${format(atMost)}`]),
        ].join(' and ');
  return `${what}: ${format(value)}, expected ${limit}`;
}

function format(value: number | null): string {
  return value === null ? 'not measured' : String(Math.round(value * 100) / 100);
}
