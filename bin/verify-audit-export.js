#!/usr/bin/env node
/*
 * Verifies an audit export without the platform: node verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>
 * Shares no code with the service; written from the format alone (design.md, turn 3). Every record is
 * encoded and hashed again and must be the member its sequence says; every block must hash, lead to its root and link
 * to the one before; the checkpoint must be signed with the given key and name a block of the bundle.
 * Exit code 0: it holds. 98: it does not, and the first bad record is named. 2: it could not be read.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, openSync, readFileSync } from 'node:fs';
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

const int32 = (value) => int64(value).subarray(4);

function checkBlock(block, before) {
  const { shard, number, records, root } = block;
  const bytes = Buffer.from(block.members, 'base64');
  const first = BigInt(block.firstSequence);
  must(block.version === 1, `version ${block.version} of blocks is not known`);
  must(BigInt(number) === (before ? BigInt(before.number) + 1n : 1n), 'one is missing before it');
  must(first === (before?.end ?? 1n), 'its sequence has a gap');
  must(block.previous === (before?.hash ?? '0'.repeat(64)), 'the link before it is broken');
  must(records > 0 && bytes.length === records * 56, 'its members are not as many as it says');
  const head = [Buffer.of(2, 1), int32(shard).subarray(2), int64(number), int64(first)];
  head.push(int32(records), int64(block.toXid), int64(block.toId));
  head.push(int64(microseconds(block.sequencedAt)));
  head.push(Buffer.from(root, 'hex'), Buffer.from(block.previous, 'hex'));
  must(hex(sha256(...head)) === block.hash, 'its hash is not that of its header');
  const leafAt = (_, i) => bytes.subarray(i * 56 + 24, (i + 1) * 56);
  const leaves = Array.from({ length: records }, leafAt);
  must(hex(rootOf(leaves)) === root, 'its members do not lead to its root');
  return { ...block, bytes, first, end: first + BigInt(records), last: -1 };
}

function checkRecord({ sequence, record, shard }, block, { shards, organisationId }) {
  const owner = record.organisationId;
  must(Number(BigInt(owner) % BigInt(shards)) === shard, 'it is in the wrong shard');
  must((organisationId ?? owner) === owner, 'it is of another organisation');
  const index = block ? Number(BigInt(sequence) - block.first) : -1;
  must(index >= 0 && index < block.records, 'its sequence is not in the block before it');
  must(index > block.last, 'it is out of order, or there twice');
  block.last = index;
  const occurred = int64(microseconds(record.occurredAt));
  const own = Buffer.concat([uuid(record.eventId), occurred, leafOf(record)]);
  must(own.equals(block.bytes.subarray(index * 56, index * 56 + 56)), 'it is not what was hashed');
}

/** How many records of the bundle's shards it signs. */
function checkCheckpoint(line, { shards, header }, key) {
  const { signature, ...rest } = JSON.parse(line);
  const unsigned = JSON.stringify(rest);
  const inFull = `${unsigned.slice(0, -1)},"signature":"${signature}"}`;
  const bytes = Buffer.from(`platform-audit-checkpoint\n${unsigned}`);
  const signed = verify(null, bytes, key, Buffer.from(signature, 'base64'));
  must(line === inFull && signed, 'is not signed with the given key');
  let total = 0;
  for (const { shard, blocks, records, head } of rest.shards) {
    if (!shards.has(shard) && header.organisationId !== null) continue;
    const block = shards.get(shard)?.get(blocks);
    must(block, `names block ${blocks} of shard ${shard}, and the bundle ends before it`);
    const fits = block.hash === head && block.records === records;
    must(fits, `does not fit block ${blocks} of shard ${shard}`);
    total += Number(records);
  }
  return total;
}

function checkLine(item, state, key) {
  const { counts, newest, shards } = state;
  const { kind, shard } = item;
  if (kind === 'header') {
    const known = item.format === 'platform-audit-export' && item.version === 1;
    must(known && !state.header, 'is of an unknown format');
    state.header = item;
    return;
  }
  must(state.header && kind in { block: 1, record: 1, checkpoint: 1 }, 'does not belong here');
  counts[`${kind}s`] += 1;
  if (kind === 'record') checkRecord(item, newest.get(shard), state.header);
  if (kind === 'checkpoint') state.signed = checkCheckpoint(item.line, state, key);
  if (kind !== 'block') return;
  const block = checkBlock(item, newest.get(shard));
  newest.set(shard, block);
  if (!shards.has(shard)) shards.set(shard, new Map());
  shards.get(shard).set(block.number, { hash: block.hash, records: String(block.end - 1n) });
  state.members += block.records;
}

const nameOf = ({ kind, shard, number, firstSequence, sequence, record }) =>
  ({
    block: `block ${number}, shard ${shard}, sequence ${firstSequence}`,
    record: `record ${record?.eventId}, shard ${shard}, sequence ${sequence}`,
  })[kind] ?? kind;

async function verifyBundle(file, key) {
  const counts = { records: 0, blocks: 0, checkpoints: 0 };
  const state = { counts, newest: new Map(), shards: new Map(), members: 0, signed: 0 };
  const digest = createHash('sha256');
  let trailer = null;
  const raw = createReadStream(file, { fd: openSync(file, 'r') });
  const input = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const item = JSON.parse(line);
    must(trailer === null, 'something follows the trailer');
    if (item.kind === 'trailer') trailer = item;
    else digest.update(`${line}\n`);
    try {
      if (item.kind !== 'trailer') checkLine(item, state, key);
    } catch (error) {
      throw new Bad(`${nameOf(item)}: ${error.message}`);
    }
  }
  must(state.header && trailer, 'the bundle is cut short');
  for (const name in counts) must(counts[name] === trailer[name], `not all ${name} are there`);
  must(hex(digest.digest()) === trailer.digest, 'the digest of the lines is another');
  must(counts.checkpoints > 0, 'there is no checkpoint: nothing in it is signed');
  return { ...state, ...counts };
}

const [file, keyFile] = process.argv.slice(2);
if (!keyFile) {
  process.stderr.write('usage: verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>\n');
  process.exit(2);
}
try {
  const { records, blocks, members, signed } = await verifyBundle(
    file,
    createPublicKey(readFileSync(keyFile)),
  );
  const newer = `${members - signed} of these are newer than the checkpoint`;
  process.stdout.write(
    `holds: ${records} records of the ${members} in ${blocks} blocks; ${newer}\n`,
  );
} catch (error) {
  process.stderr.write(
    `${error instanceof Bad ? 'does not hold' : 'cannot be read'}: ${error.message}\n`,
  );
  process.exitCode = error instanceof Bad ? 98 : 2;
}
