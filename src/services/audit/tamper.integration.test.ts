/** The twelve attacks on real rows: by SQL, as a superuser who switched every trigger off. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sharedStores } from '../../sim/effects/testbed/fixtures/stores.ts';
import { attacks } from './chain/fixtures/attacks.ts';
import { runAttack } from './chain/fixtures/run-attack.ts';
import { openTamperedLog, type TamperedLog } from './fixtures/tampered-log.ts';

const { postgres } = sharedStores('tamper');
let directory: string;
let log: TamperedLog;
const missed = new Set<string>();
const tried = new Set<string>();

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'platform-tamper-'));
  log = await openTamperedLog({ databaseUrl: postgres.url, schema: 'tampered', directory });
});
beforeEach(() => log.restore());
afterAll(async () => {
  await log.close();
  await rm(directory, { recursive: true, force: true });
  const named = new Set(attacks.filter(({ name }) => missed.has(name)).map(({ attack }) => attack));
  const found = tried.size - named.size;
  process.stderr.write(`tamper attacks: found and located ${found} / ${tried.size}\n`);
});

describe('tampering with a log on PostgreSQL', () => {
  it('starts from a log that holds', async () => {
    expect(await log.verify()).toMatchObject({
      findings: [],
      records: 240,
      notSequenced: 3,
      checkpoints: 22,
    });
  });

  it.each(attacks)('$attack: $name is found and located', async (attack) => {
    tried.add(attack.attack);
    missed.add(attack.name);
    expect(await runAttack(attack, log)).toBeNull();
    missed.delete(attack.name);
  });
});
