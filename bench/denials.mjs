/**
 * What a refused request costs that belongs to nobody: counting it, from one address, from a million, and as an event of
 * its own, built and sealed as every event is (its write to PostgreSQL not included).
 *
 * Bounds: however many addresses, the events of a minute are bounded and all are counted; counting costs less than sealing
 * an event, so the flood of a stranger costs less than the same flood of a known user.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { sealPersonal } from '../dist/services/audit/seal.js';
import { createDenialLog } from '../dist/services/gateway/audit/denial-log.js';
import { isoFromUs, timeOrderedId } from '../dist/services/ports.js';

export const title = 'denials of unknown callers: the cost of one, and the events of a flood';

const MAX_EVENTS = 2 * (256 + 1);
const PER_REQUEST = 1_000;
const clock = { nowUs: () => Date.now() * 1_000 };
const random = { uuid: () => randomUUID(), bytes: randomBytes };

/** @param {number} n */
const addressOf = (n) => `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;

/** @param {string} ip @param {number} n */
const denialOf = (ip, n) => ({
  action: 'project.list',
  reason: 'unauthenticated',
  requestId: `r${n}`,
  personal: { ip, userAgent: 'a script' },
  of: null,
});

/** @param {number} denials @param {(n: number) => string} ipOf */
async function measure(denials, ipOf) {
  let [events, counted] = [0, 0];
  const log = createDenialLog({
    audit: {
      async record({ resourceId }) {
        events += 1;
        counted += Number(resourceId);
      },
    },
    name: 'bench',
    region: 'us',
    clock,
    random,
    report: (error) => {
      throw error;
    },
  });
  const startedUs = process.cpuUsage();
  for (let n = 0; n < denials; n += 1) log.count(denialOf(ipOf(n), n));
  const { user, system } = process.cpuUsage(startedUs);
  await log.close();
  return { events, counted, nsEach: ((user + system) * PER_REQUEST) / denials };
}

/** @param {number} events */
function measureEvents(events) {
  const key = randomBytes(32);
  const startedUs = process.cpuUsage();
  for (let n = 0; n < events; n += 1) {
    timeOrderedId(clock.nowUs(), randomUUID());
    isoFromUs(clock.nowUs());
    sealPersonal(key, '0', { ip: addressOf(n), userAgent: 'a script' });
  }
  const { user, system } = process.cpuUsage(startedUs);
  return ((user + system) * PER_REQUEST) / events;
}

/** @param {import('./run.mjs').BenchOptions} options */
export async function run({ quick }) {
  const denials = quick ? 200_000 : 1_000_000;
  // Once for the compiler.
  await measure(20_000, addressOf);
  measureEvents(20_000);
  const one = await measure(denials, () => addressOf(1));
  const many = await measure(denials, addressOf);
  const eventNs = measureEvents(denials / 4);
  const ok =
    [one, many].every(({ events, counted }) => events <= MAX_EVENTS && counted === denials) &&
    Math.max(one.nsEach, many.nsEach) < eventNs;
  const line = (/** @type {string} */ name, /** @type {number} */ ns, /** @type {string} */ more) =>
    `${name.padEnd(28)} ${Math.round(ns)} ns each${more}`;
  return {
    ok,
    lines: [
      line('counted, one address', one.nsEach, `; ${one.events} events`),
      line('counted, a new address each', many.nsEach, `; ${many.events} events`),
      line('an event of its own, sealed', eventNs, ok ? '' : '  OUT OF BOUNDS'),
    ],
    data: { denials, one, many, eventNs },
  };
}
