/** `platform audit prove`: proves that one event is in the log; the document can be verified without the log. */
import { exitCodes } from '../sim/pure/exit-code.ts';
import { type AuditCall, formatJson } from './audit-call.ts';

export async function proveEvent({
  admin,
  argument: eventId,
  flags,
  io,
}: AuditCall): Promise<number> {
  const { document, evidence } = await admin.prove(eventId.toLowerCase());
  if (flags.json) {
    io.stdout.write(formatJson(document));
    return exitCodes.pass;
  }
  const { proof, checkpoint } = document;
  const { at, keyId } = JSON.parse(checkpoint) as { at: string; keyId: string };
  const bytes = Buffer.byteLength(JSON.stringify(proof));
  const { occurredAt, action, outcome } = evidence.record;
  const rows: [string, string][] = [
    ['event', `${proof.eventId}: ${action}, ${outcome}, at ${occurredAt}`],
    ['record', `${proof.sequence} of shard ${proof.shard}, in block ${proof.block.number}`],
    ['blocks', `${evidence.blocks.length} from there to the checkpoint`],
    ['signed', `by key ${keyId}, at ${at}`],
    ['proof', `holds; ${bytes} bytes, which --json prints with record and checkpoint`],
  ];
  io.stdout.write(`${rows.map(([name, value]) => `${name.padEnd(8)}${value}`).join('\n')}\n`);
  return exitCodes.pass;
}
