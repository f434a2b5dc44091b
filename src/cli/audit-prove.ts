/** `platform audit prove`: that one event is in the log, as a document that can be checked without the log. */
import { EXIT } from '../sim/pure/verdict.ts';
import { type AuditCall, asJson } from './audit-call.ts';

export async function proveEvent({ desk, argument, flags, io }: AuditCall): Promise<number> {
  const { document, evidence } = await desk.prove(argument.toLowerCase());
  if (flags.json) {
    io.stdout.write(asJson(document));
    return EXIT.pass;
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
  return EXIT.pass;
}
