/**
 * The process that chains the audit log for a gateway: the sequencer, with a connection, the keys and the file of the
 * checkpoints of its own, and its news over IPC.
 *
 * It ends when its parent is gone, however that ended; the connection, and with it the lock, ends too. At its busiest
 * the event loop hears of that after the block it is hashing: 5,000 records at most, less than 100 ms.
 */
import path from 'node:path';
import { openAuditKeys } from '../audit/audit-keys.ts';
import { openCheckpointFile } from '../audit/checkpoint-file.ts';
import { createSequencer, type Sequencer } from '../audit/sequencer.ts';
import { createNews } from '../audit/sequencer-news.ts';
import {
  type SequencerOrder,
  type SequencerStart,
  sequencerTitle,
} from '../audit/sequencer-protocol.ts';
import { openConnection } from './clients.ts';
import { systemClock } from './system.ts';

process.title = sequencerTitle;
process.once('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group, and a service manager ends all at once; the parent decides when this one goes.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});

const news = createNews((said, taken) => process.send!(said, undefined, undefined, taken));
let sequencer: Sequencer | null = null;
let last: Promise<void> = Promise.resolve();

process.on('message', (order: SequencerOrder) => {
  // One after the other. What cannot be done ends the process, with its stack on stderr.
  last = last.then(() => obey(order));
});

async function obey(order: SequencerOrder): Promise<void> {
  if (order.kind === 'close') {
    await sequencer?.close();
    await news.told();
    process.exit(0);
  }
  setInterval(news.beat, order.beatMs);
  sequencer = await createOwn(order);
  sequencer.start();
}

async function createOwn({ databaseUrl, role, directory, design }: SequencerStart) {
  return createSequencer({
    open: () => openConnection(databaseUrl, role),
    design,
    clock: systemClock,
    keys: await openAuditKeys(directory),
    checkpoints: openCheckpointFile(path.join(directory, 'checkpoints.ndjson')),
    observer: news,
    report: news.report,
  });
}
