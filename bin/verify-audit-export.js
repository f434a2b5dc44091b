#!/usr/bin/env node
/*
 * Verifies an audit export without the platform: node verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>
 * Shares no code with the service; written from the format alone (design.md, turn 3). Exit code 0: it holds. 98: it
 * does not, and the first bad record is named. 2: it could not be read.
 */
import must from 'node:assert';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, openSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();

// Values as bytes. A number with too many hex digits takes more of them, and so changes the hash.
const as = (encoding) => (value) => Buffer.from(value, encoding);
const [utf8, hex, base64] = [as('utf8'), as('hex'), as('base64')];
const uint = (digits) => (value) => hex(BigInt(value).toString(16).padStart(digits, '0'));
const uuid = (value) => hex(value.replaceAll('-', ''));
const time = (iso) => {
  must(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(iso), `'${iso}' is not a time`);
  return uint(16)(BigInt(Date.parse(`${iso.slice(0, 23)}Z`)) * 1000n + BigInt(iso.slice(23, 26)));
};

// What is hashed, in this order. In a record each value stands behind its length, and a null is a length alone.
const int = uint(16);
const blockFields = {
  ...{ version: uint(2), shard: uint(4), number: int, firstSequence: int, records: uint(8) },
  ...{ toXid: int, toId: int, sequencedAt: time, root: hex, previous: hex },
};
const recordFields = {
  ...{ eventId: uuid, occurredAt: time, receivedAt: time, id: int, xid: int, organisationId: int },
  ...{ userId: int, sessionHash: utf8, keyId: int, agent: int, action: utf8, resourceType: utf8 },
  ...{ resourceId: utf8, outcome: utf8, reason: utf8, requestId: utf8, region: utf8 },
  ...{ service: utf8, sealed: base64 },
};
const version2Fields = { ...recordFields, clientRequestId: utf8, change: utf8 };
const encode = (fields, item) =>
  Object.keys(fields).map((name) => (item[name] === null ? null : fields[name](item[name])));
const withLength = (bytes) => [uint(8)(bytes?.length ?? 0xffffffff), bytes ?? utf8('')];

// Of members: event id (16 bytes), time (8), leaf (32).
function rootOf(members) {
  if (members.length === 56) return members.subarray(24);
  const half = 56 * 2 ** Math.ceil(Math.log2(members.length / 56) - 1);
  return sha256(Buffer.of(1), rootOf(members.subarray(0, half)), rootOf(members.subarray(half)));
}

// What was read so far: the newest block of each shard, and how far the shard came with every block.
const count = { header: 0, block: 0, record: 0, checkpoint: 0, trailer: 0, member: 0, signed: 0 };
const digest = createHash('sha256');
const [newest, ends] = [new Map(), new Map()];
let scope = null;
const shardOf = (organisation) => Number(BigInt(organisation) % BigInt(scope.shards));

const checks = {
  header(item) {
    must(item.format === 'platform-audit-export' && item.version === 1, 'its format is unknown');
    scope = item;
  },
  block(block) {
    const { shard, number, records, hash } = block;
    const before = newest.get(shard) ?? { number: 0, end: 1n, hash: '0'.repeat(64) };
    const members = base64(block.members);
    must(block.version === 1, `version ${block.version} of blocks is not known`);
    must(Number.isInteger(shard), 'its shard is not a number');
    must(number === String(BigInt(before.number) + 1n), 'one is missing before it');
    must(BigInt(block.firstSequence) === before.end, 'its sequence has a gap');
    must(block.previous === before.hash, 'the link before it is broken');
    must(records > 0 && members.length === records * 56, 'its members are not as many as it says');
    const own = sha256(Buffer.of(2), ...encode(blockFields, block)).toString('hex');
    must(own === hash, 'its hash is not that of its header');
    must(rootOf(members).toString('hex') === block.root, 'its members do not lead to its root');
    const end = before.end + BigInt(records);
    newest.set(shard, { number, end, hash, members, first: before.end, place: -1 });
    ends.set(`block ${number} of shard ${shard}`, `${hash} ${end - 1n}`);
    count.member += records;
  },
  record({ sequence, shard, record }) {
    const block = newest.get(shard);
    const { organisationId: owner, version } = record;
    must(shardOf(owner) === shard, 'it is in the wrong shard');
    must((scope.organisationId ?? owner) === owner, 'it is of another organisation');
    must(BigInt(sequence) < (block?.end ?? 0n), 'its sequence is not in the block before it');
    const place = Number(BigInt(sequence) - block.first);
    must(place > block.place, 'it is out of order, or there twice');
    must([1, 2].includes(version), `version ${version} of the record layout is not known`);
    // Version 1 has no client's request id and no change: there they are absent or null.
    const { clientRequestId, change, ...first } = record;
    const known = version === 1 && (clientRequestId ?? change ?? null) === null ? first : record;
    const fields = encode(version === 1 ? recordFields : version2Fields, known);
    must(Object.keys(known).length === fields.length + 1, 'it has a field that is not hashed');
    const leaf = sha256(Buffer.of(0, version), ...fields.flatMap(withLength));
    const member = block.members.subarray(place * 56, place * 56 + 56);
    must(member.equals(Buffer.concat([...fields.slice(0, 2), leaf])), 'it is not what was hashed');
    block.place = place;
  },
  checkpoint({ line }, key) {
    const [, body, signature] = /^(.*),"signature":"([^"]*)"}$/.exec(line) ?? [];
    const said = utf8(`platform-audit-checkpoint\n${body}}`);
    must(body && verify(null, said, key, base64(signature)), 'it is not signed with the given key');
    const only = scope.organisationId === null ? null : shardOf(scope.organisationId);
    for (const { shard, blocks, records, head } of JSON.parse(`${body}}`).shards) {
      if (shard !== (only ?? shard)) continue;
      const name = `block ${blocks} of shard ${shard}`;
      must(ends.has(name), `it names ${name}, and the bundle ends before it`);
      must(ends.get(name) === `${head} ${records}`, `it does not fit ${name}`);
      count.signed += Number(records);
    }
  },
  trailer(item) {
    for (const kind of ['record', 'block', 'checkpoint'])
      must(item[`${kind}s`] === count[kind], `not all ${kind}s are there`);
    must(item.digest === digest.copy().digest('hex'), 'the digest of the lines is another');
    must(count.checkpoint > 0, 'there is no checkpoint: nothing in it is signed');
  },
};

const [file, keyFile] = process.argv.slice(2);
let at = null; // What is being checked, by its name.
try {
  must(keyFile, 'usage: verify-audit-export.js <bundle.ndjson[.gz]> <public-key.pem>');
  const key = createPublicKey(readFileSync(keyFile));
  const raw = createReadStream(file, { fd: openSync(file) });
  const input = file.endsWith('.gz') ? raw.pipe(createGunzip()) : raw;
  for await (const line of createInterface({ input })) {
    const item = JSON.parse(line);
    const { kind, shard, number, record, firstSequence, sequence = firstSequence } = item;
    const place = `${number ?? record?.eventId}, shard ${shard}, sequence ${sequence}`;
    at = shard === undefined ? kind : `${kind} ${place}`;
    const isDue = (kind === 'header') === (scope === null) && count.trailer === 0;
    must(isDue && Object.hasOwn(checks, kind), 'it does not belong here');
    checks[kind](item, key);
    count[kind] += 1;
    digest.update(`${line}\n`);
    at = null;
  }
  at = 'the bundle';
  must(count.trailer === 1, 'it is cut short');
  const read = `${count.record} records of the ${count.member} in ${count.block} blocks`;
  const newer = count.member - count.signed;
  console.log(`holds: ${read}; ${newer} of these are newer than the checkpoint`);
} catch (error) {
  console.error(at ? `does not hold: ${at}: ${error.message}` : `cannot be read: ${error.message}`);
  process.exit(at ? 98 : 2);
}
