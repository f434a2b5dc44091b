#!/usr/bin/env node
/*
 * Verifies an audit export without the platform: node verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>
 * Shares no code with the service; written from the format alone (design.md, turn 3). Every record is
 * encoded and hashed again and must be the member its sequence says; every block must hash, lead to its root and link
 * to the one before; the checkpoint must be signed with the given key and name a block of the bundle.
 * Exit code 0: it holds. 98: it does not, and the first bad record is named. 2: it could not be read.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

const sha256 = (...parts) =>
  parts.reduce((h, part) => h.update(part), createHash('sha256')).digest();
const hex = (bytes) => bytes.toString('hex');

class Bad extends Error {}
const must = (holds, what) => {
  if (!holds) throw new Bad(what);
};

const int64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};
const microseconds = (iso) => {
  must(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(iso), `not a time: ${iso}`);
  return BigInt(Date.parse(`${iso.slice(0, 23)}Z`)) * 1000n + BigInt(iso.slice(23, 26));
};
const field = (bytes) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes === null ? 0xffffffff : bytes.length);
  return bytes === null ? length : Buffer.concat([length, bytes]);
};
const text = (value) => (value === null ? null : Buffer.from(value));
const number = (value) => (value === null ? null : int64(value));
const uuid = (value) => Buffer.from(value.replaceAll('-', ''), 'hex');

function leafOf(r) {
  must(r.version === 1, `version ${r.version} of the record layout is not known`);
  const fields = [
    uuid(r.eventId),
    int64(microseconds(r.occurredAt)),
    int64(microseconds(r.receivedAt)),
  ];
  fields.push(number(r.id), number(r.xid), number(r.organisationId), number(r.userId));
  fields.push(text(r.sessionHash), number(r.keyId), number(r.agent), text(r.action));
  fields.push(text(r.resourceType), text(r.resourceId), text(r.outcome), text(r.reason));
  fields.push(text(r.requestId), text(r.region), text(r.service));
  fields.push(r.sealed === null ? null : Buffer.from(r.sealed, 'base64'));
  return sha256(Buffer.of(0), Buffer.of(r.version), ...fields.map(field));
}

function rootOf(leaves) {
  if (leaves.length === 1) return leaves[0];
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.of(1), rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
}

const memberOf = (block, i) => block.bytes.subarray(i * 56, (i + 1) * 56);

function checkBlock(block, previous) {
  const bytes = Buffer.from(block.members, 'base64');
  must(block.version === 1, `version ${block.version} of blocks is not known`);
  must(
    BigInt(block.number) === (previous ? BigInt(previous.number) + 1n : 1n),
    'a block is missing before it',
  );
  must(BigInt(block.firstSequence) === (previous ? previous.end : 1n), 'its sequence has a gap');
  must(
    block.previous === (previous ? previous.hash : '0'.repeat(64)),
    'the link to the block before is broken',
  );
  must(
    block.records > 0 && bytes.length === block.records * 56,
    'its members are not as many as it says',
  );
  const head = Buffer.alloc(8);
  head.writeUInt8(2, 0);
  head.writeUInt8(block.version, 1);
  head.writeUInt16BE(block.shard, 2);
  head.writeUInt32BE(block.records, 4);
  const parts = [
    head.subarray(0, 4),
    int64(block.number),
    int64(block.firstSequence),
    head.subarray(4),
  ];
  parts.push(int64(block.toXid), int64(block.toId), int64(microseconds(block.sequencedAt)));
  parts.push(Buffer.from(block.root, 'hex'), Buffer.from(block.previous, 'hex'));
  must(hex(sha256(...parts)) === block.hash, 'its hash is not that of its header');
  const leaves = Array.from({ length: block.records }, (_, i) =>
    bytes.subarray(i * 56 + 24, (i + 1) * 56),
  );
  must(hex(rootOf(leaves)) === block.root, 'its members do not lead to its root');
  return { ...block, bytes, end: BigInt(block.firstSequence) + BigInt(block.records) };
}

function checkRecord({ sequence, record, shard }, block, header) {
  const { organisationId } = record;
  must(
    Number(BigInt(organisationId) % BigInt(header.shards)) === shard,
    'it is in the wrong shard',
  );
  must(
    header.organisationId === null || header.organisationId === organisationId,
    'it is of another organisation',
  );
  const index = block ? Number(BigInt(sequence) - BigInt(block.firstSequence)) : -1;
  must(index >= 0 && index < block.records, 'its sequence is not in the block before it');
  must(index > (block.last ?? -1), 'it is out of order, or there twice');
  block.last = index;
  const own = Buffer.concat([
    uuid(record.eventId),
    int64(microseconds(record.occurredAt)),
    leafOf(record),
  ]);
  must(own.equals(memberOf(block, index)), 'it is not what was hashed');
}

function checkCheckpoint(line, state, key) {
  const { signature, ...rest } = JSON.parse(line);
  const unsigned = JSON.stringify(rest);
  const signed = Buffer.from(`platform-audit-checkpoint\n${unsigned}`);
  must(
    line === `${unsigned.slice(0, -1)},"signature":"${signature}"}`,
    'is not in its one spelling',
  );
  must(
    verify(null, signed, key, Buffer.from(signature, 'base64')),
    'is not signed with the given key',
  );
  for (const { shard, blocks, records, head } of rest.shards) {
    const own = state.shards.get(shard);
    if (!own && state.header.organisationId !== null) continue;
    const block = own?.heads.get(blocks);
    must(block, `names block ${blocks} of shard ${shard}, and the bundle ends before it`);
    must(
      block.hash === head && block.records === records,
      `does not fit block ${blocks} of shard ${shard}`,
    );
  }
  return rest;
}

async function verifyBundle(file, key) {
  const state = { header: null, shards: new Map() };
  const counts = { records: 0, blocks: 0, checkpoints: 0 };
  const digest = createHash('sha256');
  let trailer = null;
  const raw = createReadStream(file);
  const lines = createInterface({
    input: file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw,
    crlfDelay: Infinity,
  });
  const newest = new Map();
  for await (const line of lines) {
    const item = JSON.parse(line);
    must(trailer === null, 'something follows the trailer');
    if (item.kind !== 'trailer') digest.update(`${line}\n`);
    const { shard } = item;
    try {
      if (item.kind === 'header') {
        must(
          item.format === 'platform-audit-export' && item.version === 1,
          'is of an unknown format',
        );
        state.header = item;
      } else if (item.kind === 'block') {
        const block = checkBlock(item, newest.get(shard));
        newest.set(shard, block);
        const own = state.shards.get(shard) ?? { heads: new Map() };
        own.heads.set(block.number, { hash: block.hash, records: String(block.end - 1n) });
        state.shards.set(shard, own);
        counts.blocks += 1;
      } else if (item.kind === 'record') {
        checkRecord(item, newest.get(shard), state.header);
        counts.records += 1;
      } else if (item.kind === 'checkpoint') {
        checkCheckpoint(item.line, state, key);
        counts.checkpoints += 1;
      } else if (item.kind === 'trailer') trailer = item;
      else throw new Bad('is of an unknown kind');
    } catch (error) {
      if (!(error instanceof Bad)) error.message = `cannot be read: ${error.message}`;
      const of =
        item.kind === 'record'
          ? ` ${item.record?.eventId}, shard ${shard}, sequence ${item.sequence}`
          : '';
      const at =
        item.kind === 'block'
          ? ` ${item.number} of shard ${shard}, sequence ${item.firstSequence}`
          : of;
      throw new Bad(`${item.kind}${at}: ${error.message}`);
    }
  }
  must(state.header && trailer, 'the bundle is cut short');
  for (const name of Object.keys(counts))
    must(counts[name] === trailer[name], `not all ${name} are there`);
  must(hex(digest.digest()) === trailer.digest, 'the digest of the lines is another');
  must(counts.checkpoints > 0, 'there is no checkpoint: nothing in it is signed');
  return counts;
}

const [file, keyFile] = process.argv.slice(2);
if (!keyFile) {
  process.stderr.write('usage: verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>\n');
  process.exit(2);
}
try {
  const counts = await verifyBundle(file, createPublicKey(readFileSync(keyFile)));
  process.stdout.write(`holds: ${counts.records} records in ${counts.blocks} blocks, signed\n`);
} catch (error) {
  process.stderr.write(
    `${error instanceof Bad ? 'does not hold' : 'cannot be read'}: ${error.message}\n`,
  );
  process.exitCode = error instanceof Bad ? 98 : 2;
}
