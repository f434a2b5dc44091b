/**
 * An operator's process beside the service: archives each month it is told, and brings one back.
 *   node audit-archive-process.mjs <databaseUrl> <folder of the keys> <folder for the files>
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import { archivePartition, attachArchive } from '../dist/services/audit/archive/archive.js';
import { openAuditKeys } from '../dist/services/audit/audit-keys.js';
import { openConnection } from '../dist/services/gateway/clients.js';

const [databaseUrl = '', keyFolder = '', directory = ''] = process.argv.slice(2);
setPriority(constants.priority.PRIORITY_LOW); // As `platform audit archive` does.
const db = await openConnection(databaseUrl);
const keys = await openAuditKeys(keyFolder);
const operator = {
  clock: { nowUs: () => Date.now() * 1_000 },
  random: { uuid: randomUUID, bytes: randomBytes },
  region: 'us',
};
process.send?.('ready');
process.on('message', async (/** @type {{ archive: string } | { attach: string }} */ order) => {
  const startedMs = performance.now();
  const retired =
    'archive' in order
      ? await archivePartition(db, {
          ...{ ...operator, month: order.archive, directory, keys },
          ...{ reason: 'bench', minRetentionDays: 0 },
        })
      : await attachArchive(db, {
          ...{ ...operator, file: order.attach, publicKeys: [keys.publicKeyPem] },
        });
  process.send?.({ ...retired, tookMs: performance.now() - startedMs });
});
