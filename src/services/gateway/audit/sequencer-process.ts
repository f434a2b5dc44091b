/**
 * Entry point of the sequencer process of a gateway. It has its own connection, keys and checkpoint file, and sends its
 * status over IPC.
 *
 * It exits when its parent is gone, for whatever reason, which closes the connection and releases the lock. The event
 * loop sees the disconnect at the latest after the block it is hashing: 5,000 records, less than 100 ms.
 */
import path from 'node:path';
import { openAuditKeys } from '../../audit/audit-keys.ts';
import { openCheckpointFile } from '../../audit/checkpoint-file.ts';
import { createSequencer, type Sequencer } from '../../audit/sequencer/sequencer.ts';
import {
  SEQUENCER_PROCESS_TITLE,
  type SequencerCommand,
  type SequencerStart,
} from '../../audit/sequencer/sequencer-protocol.ts';
import { createStatusChannel } from '../../audit/sequencer/sequencer-status.ts';
import { openConnection } from '../clients.ts';
import { systemClock } from '../system.ts';

process.title = SEQUENCER_PROCESS_TITLE;
process.once('disconnect', () => process.exit(0));
// Ctrl-C and service managers signal the whole group; the parent decides when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});

const status = createStatusChannel((message, onSent) =>
  process.send!(message, undefined, undefined, onSent),
);
let sequencer: Sequencer | null = null;
let lastCommand: Promise<void> = Promise.resolve();

process.on('message', (command: SequencerCommand) => {
  // In order. A command that fails ends the process, with its stack on stderr.
  lastCommand = lastCommand.then(() => execute(command));
});

async function execute(command: SequencerCommand): Promise<void> {
  if (command.kind === 'close') {
    await sequencer?.close();
    await status.drain();
    process.exit(0);
  }
  setInterval(status.heartbeat, command.heartbeatMs);
  sequencer = await createProcessSequencer(command);
  sequencer.start();
}

async function createProcessSequencer({ databaseUrl, directory, design }: SequencerStart) {
  return createSequencer({
    open: () => openConnection(databaseUrl),
    design,
    clock: systemClock,
    keys: await openAuditKeys(directory),
    checkpoints: openCheckpointFile(path.join(directory, 'checkpoints.ndjson')),
    observer: status,
    report: status.onError,
  });
}
