/**
 * Every field of the OpenAPI document with every hostile value: no response is a 5xx, every status is documented, every
 * body matches its schema, every error is a problem document, and what the document does not allow is refused by the
 * field's name. Bounded: about 5,000 requests with a fixed seed, one after another.
 */
import { execFile, spawnSync } from 'node:child_process';
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Ajv, type ValidateFunction } from 'ajv';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../../../sim/effects/testbed/fixtures/bed.ts';
import { ownStores } from '../../../sim/effects/testbed/fixtures/stores.ts';
import type { Design } from '../../design.ts';
import { findDesign } from '../../lineage.ts';
import { SEED_PASSWORD } from '../../sessions/seed.ts';
import { bearer, client } from '../fixtures/client.ts';
import {
  type Platform,
  prepareSchema,
  startPlatform,
  usersWithoutHistory,
  withCheapPasswords,
} from '../fixtures/platform.ts';
import {
  type FuzzCase,
  type FuzzOptions,
  fuzzCases,
  type OpenApiDocument,
  type OpenApiOperation,
} from './fixtures/openapi-fuzz.ts';

const SEED = 20_261_130;
const MIXES_PER_OPERATION = 25;
/** Each operation has another, because the widest limit is 10,000 a minute. */
const USERS = 20;
/** Each takes the place of a user who was erased, in further cases of that operation. */
const SPARE_USERS = 60;
const ERASURE = 'subject-erase-delete';
const schema = 'fuzz';
const { postgres, redis } = ownStores('fuzz');
const agent = new Agent({ keepAlive: true });
let platform: Platform;
let document: OpenApiDocument;
/** Of what belongs to no organisation. */
let platformEvent = '';

/** The newest design, with limits out of the way: a refused request tests nothing. */
function unlimited(design: Design): Design {
  if (design.rateLimit.kind !== 'exact') return design;
  const wide = 10_000;
  const tier = { organisation: wide, user: wide, key: wide, address: wide };
  const login = { loginPair: wide, loginAccount: wide, loginDevice: wide, loginKnown: wide };
  const anonymous = { login: wide, ...login, register: wide };
  return {
    ...design,
    rateLimit: {
      ...design.rateLimit,
      tiers: { standard: tier, enterprise: tier, ci: tier },
      anonymous: { ...design.rateLimit.anonymous, ...anonymous, unauthenticated: wide },
    },
  };
}

beforeAll(async () => {
  const design = withCheapPasswords(unlimited(findDesign('turn5.after')));
  await prepareSchema(postgres.url, {
    schema,
    design,
    size: usersWithoutHistory(USERS + SPARE_USERS),
  });
  platform = await startPlatform({
    schema,
    design,
    databaseUrl: postgres.url,
    redisUrl: redis.url,
  });
  // They may use every route.
  const text = `UPDATE users SET role = 'operator' WHERE id <= ${USERS}`;
  await platform.db.query({ text });
  document = (await client(platform.url)('GET', '/openapi.json')).body;
  await client(platform.url)('GET', '/nothing');
  const operator = client(platform.url, bearer((await platform.login('1')).token));
  await eventually('there is an event of the platform, and it can be proven', async () => {
    platformEvent = (await operator('GET', '/admin/audit')).body.items[0]?.eventId ?? '';
    return (await operator('GET', `/admin/audit/${platformEvent}/proof`)).status === 200;
  });
});

afterAll(async () => {
  agent.destroy();
  await platform?.stop();
});

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Not fetch, which would make the path well-formed. */
function send(
  given: Pick<FuzzCase, 'method' | 'path' | 'body' | 'contentType'>,
  headers: Readonly<Record<string, string>>,
): Promise<Reply> {
  const { method, path, body, contentType } = given;
  return new Promise((resolve, reject) => {
    const sent = httpRequest(platform.url, {
      method,
      path,
      agent,
      headers: {
        ...headers,
        ...(contentType !== undefined && { 'content-type': contentType }),
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      },
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    sent.end(body);
  });
}

const ajv = new Ajv({ strict: false, formats: { uuid: true, 'date-time': true } });
const validators = new Map<object, ValidateFunction>();
function matches(given: object, value: unknown): boolean {
  const known = validators.get(given) ?? ajv.compile(given);
  validators.set(given, known);
  return known(value);
}

/** What is wrong with the response; null when nothing is. */
function findDefect(operation: OpenApiOperation, { status, headers, text }: Reply): string | null {
  if (status >= 500) return `a ${status}`;
  if (headers['cache-control'] === undefined) return 'no cache-control';
  if (headers['x-content-type-options'] !== 'nosniff') return 'no nosniff';
  const documented = operation.responses[status];
  if (documented === undefined) return `an undocumented ${status}`;
  const [media, expected] = Object.entries(documented.content ?? {})[0] ?? [];
  if (media === undefined) return text === '' ? null : 'a body where none is documented';
  if (!headers['content-type']?.startsWith(media)) return `a body of ${headers['content-type']}`;
  if (!media.endsWith('json')) return null;
  const body = JSON.parse(text) as { status?: number; requestId?: string; errors?: unknown[] };
  const isProblem = media === 'application/problem+json';
  const wanted = isProblem ? document.components.schemas.problem! : expected!.schema;
  if (!matches(wanted, body)) return `a body that does not match: ${ajv.errorsText()}`;
  if (!isProblem) return null;
  if (body.status !== status) return `a problem of another status, ${body.status}`;
  return body.requestId === headers['x-request-id'] ? null : 'a problem of another request';
}

/** Null when the request was refused as the document says, or is one that it allows. */
function findAcceptance({ isInvalid, invalidField }: FuzzCase, reply: Reply): string | null {
  if (!isInvalid) return null;
  if (reply.status < 400) return `a ${reply.status} to what the document does not allow`;
  if (invalidField === null || reply.status !== 400) return null;
  const { errors = [] } = JSON.parse(reply.text) as { errors?: { pointer: string }[] };
  if (errors.some(({ pointer }) => pointer.startsWith(invalidField))) return null;
  return `a 400 that does not name ${invalidField} but ${JSON.stringify(errors)}`;
}

/** What the user of an operation has, so that it can be carried out and not only refused. */
interface Owned {
  readonly user: string;
  readonly project: string;
  readonly key: string;
  readonly session: string;
  readonly event: string;
}

async function createOwned(user: string): Promise<Owned> {
  const { session } = await platform.login(user);
  const send = client(platform.url, bearer((await platform.login(user)).token));
  const project = await send('POST', '/projects', { body: { name: 'p' } });
  const key = await send('POST', '/keys', { body: { name: 'k' } });
  await send('POST', `/keys/${key.body.id}/agents`, { body: { name: 'a' } });
  const events = await send('GET', '/audit');
  return {
    user,
    project: project.body.id,
    key: key.body.id,
    session: session.id,
    event: events.body.items[0].eventId,
  };
}

/** A valid value by name and shape. */
function exampleOf(
  owned: Owned,
  url: string,
  { name, schema: shape }: { name: string; schema: object },
): string {
  const { format, enum: values, type, minimum } = shape as Record<string, unknown>;
  if (Array.isArray(values)) return JSON.stringify(values.at(-1));
  if (type === 'integer') return JSON.stringify(minimum ?? 1);
  if (url.startsWith('/audit/')) return JSON.stringify(owned.event);
  if (url.startsWith('/admin/audit/')) return JSON.stringify(platformEvent);
  if (url.startsWith('/sessions/')) return JSON.stringify(owned.session);
  if (url.startsWith('/keys/{') && name === 'id') return JSON.stringify(owned.key);
  if (format === 'uuid') return JSON.stringify(owned.project);
  if (name === 'email') return '"fuzz@example.test"';
  if (name === 'currentPassword' || url === '/me/personal-data')
    return JSON.stringify(SEED_PASSWORD);
  if (/password/i.test(name)) return '"a long enough password"';
  // Of a user or an organisation that nobody here is.
  return name === 'id' || name === 'name' ? '"30"' : '"1"';
}

it('no field of any operation brings a 5xx, an undocumented status or a body without its schema', async () => {
  /** The first case of each, and how many more there are. */
  const defects = new Map<string, { first: string; count: number }>();
  const statuses = new Map<string, Set<number>>();
  let [cases, limited, refused] = [0, 0, 0];
  const everyOwned: Owned[] = [];
  for (let user = 1; user <= USERS; user += 1) everyOwned.push(await createOwned(`${user}`));
  const owned = () => everyOwned[statuses.size % USERS]!;
  const given = {
    seed: SEED,
    mixes: MIXES_PER_OPERATION,
    exampleOf: (...field: Parameters<FuzzOptions['exampleOf']>) => exampleOf(owned(), ...field),
  };
  let [user, headers] = ['', {}];
  let [isErased, spareUser] = [false, USERS];
  for (const one of fuzzCases(document, given)) {
    const name = `${one.method} ${one.operation.operationId}`;
    const seen = statuses.get(name) ?? new Set();
    // A session of its own for each operation.
    if (seen.size === 0) {
      user = owned().user;
      headers = bearer((await platform.login(user)).token);
    }
    let reply = await send(one, headers);
    if (reply.status === 401) {
      // The session was ended by the previous request, or changed its token.
      if (isErased) user = `${++spareUser}`;
      headers = bearer((await platform.login(user)).token);
      reply = await send(one, headers);
    }
    isErased = one.operation.operationId === ERASURE && reply.status === 204;
    statuses.set(name, seen.add(reply.status));
    cases += 1;
    limited += reply.status === 429 ? 1 : 0;
    refused += one.isInvalid ? 1 : 0;
    const defect = findDefect(one.operation, reply) ?? findAcceptance(one, reply);
    if (defect === null) continue;
    const known = defects.get(`${name}: ${defect}`);
    if (known === undefined) defects.set(`${name}: ${defect}`, { first: one.what, count: 1 });
    else known.count += 1;
  }
  expect([...defects]).toEqual([]);
  // Of a request: a lost connection of the audit log's sequencer is reported as well.
  expect(platform.reports.filter((one) => /^[0-9a-f]{8}-/.test(one))).toEqual([]);
  expect([cases > 3_000, refused > 1_500, limited]).toEqual([true, true, 0]);
  // Every operation was also carried out: one that only refuses has shown nothing.
  const never = [...statuses].filter(([, seen]) => ![...seen].some((status) => status < 400));
  expect(never.map(([name]) => name)).toEqual([]);
}, 480_000);

const SCHEMATHESIS = 'schemathesis';
const hasSchemathesis = spawnSync(SCHEMATHESIS, ['--version']).status === 0;
if (!hasSchemathesis)
  console.warn('skipped: schemathesis is not on PATH (pipx install schemathesis)');

/** A second opinion, by a tool that knows nothing of us. It needs Python, which our setup does not install. */
it.skipIf(!hasSchemathesis)(
  'no request of schemathesis does either',
  async () => {
    const { token } = await platform.login('2');
    const checks = [
      'not_a_server_error',
      'status_code_conformance',
      'content_type_conformance',
      'response_schema_conformance',
      'negative_data_rejection',
    ];
    const argv = [
      'run',
      `${platform.url}/openapi.json`,
      ...['-H', `Authorization: Bearer ${token}`],
      ...['--checks', checks.join(',')],
      ...['--phases', 'coverage,fuzzing'],
      ...['--max-examples', '20'],
      ...['--max-time', '30'],
      ...['--seed', `${SEED}`],
      ...['--workers', '1'],
      // They end the session with which the others are sent.
      ...[
        '--exclude-path-regex',
        '^/(logout|password|session/renew|sessions/|me/personal-data|admin/users/)',
      ],
    ];
    const { code, output } = await new Promise<{ code: number; output: string }>((resolve) => {
      execFile(SCHEMATHESIS, argv, { timeout: 240_000 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr }),
      );
    });
    expect(code, output.slice(-4_000)).toBe(0);
  },
  300_000,
);
