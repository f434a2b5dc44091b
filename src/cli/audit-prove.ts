/** `platform audit prove`: that one event is in the log, as a document that can be checked without the log. */
import { EXIT } from '../sim/pure/verdict.ts';
import type { AuditCall } from './audit.ts';
import { asJson } from './audit-verify.ts';

export async function proveEvent({ desk, argument, flags, io }: AuditCall): Promise<number> {
  const { document, place } = await desk.prove(argument.toLowerCase());
  if (flags.json) {
    io.stdout.write(asJson(document));
    return EXIT.pass;
  }
  const rows: [string, string][] = [
    ['event', argument.toLowerCase()],
    ['record', `${place.sequence} of shard ${place.shard}, in block ${place.block}`],
    ['path', `${place.pathHashes} hashes to the root of the block`],
    ['signed by', `key ${place.keyId}, at ${place.signedAt}`],
    ['proof', `${Buffer.byteLength(JSON.stringify(document))} bytes; --json prints it`],
  ];
  io.stdout.write(`${rows.map(([name, value]) => `${name.padEnd(11)}${value}`).join('\n')}\n`);
  return EXIT.pass;
}
