/** Reads what the receivers of a testbed logged, as records of the arm's history. */
import { existsSync } from 'node:fs';
import type { ArrivalRecord } from '../../history.ts';
import { readHistory } from '../load/engine/read-history.ts';
import type { Testbed } from '../testbed/testbed.ts';

/** `originUs`: the arm's origin on the machine's monotonic clock, which the receivers' logs use. */
export async function readArrivals(
  { nodes }: Pick<Testbed, 'nodes'>,
  originUs: number,
): Promise<ArrivalRecord[]> {
  const arrivals: ArrivalRecord[] = [];
  for (const { logFile } of nodes.values()) {
    if (logFile === undefined || !existsSync(logFile)) continue;
    for await (const record of readHistory(logFile))
      if (record.kind === 'arrival') arrivals.push(toArmClock(record, originUs));
  }
  return arrivals.sort((a, b) => a.atUs - b.atUs);
}

function toArmClock(record: ArrivalRecord, originUs: number): ArrivalRecord {
  const { atUs, doneUs } = record;
  return {
    ...record,
    atUs: atUs - originUs,
    doneUs: doneUs === null ? null : doneUs - originUs,
  };
}
