import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAccount } from '../http/request-template.ts';
import type { Credential } from './credential.ts';
import { Credentials, readIssuedCredential } from './credentials.ts';
import type { Revocation } from './revocation.ts';

/** With `groups`, account k is of the group at k, round and round. */
const make = (count: number, groups: readonly string[] = []) =>
  new Credentials(
    Array.from({ length: count }, (_, index) =>
      compileAccount(
        {
          id: `u${index}`,
          headers: { 'X-Agent': 'a', Authorization: `Bearer t${index}`, Cookie: 'c' },
          vars: { email: `${index}@b` },
          subject: `s${index}`,
          ...(groups.length === 0 ? {} : { group: groups[index % groups.length]! }),
        },
        index,
      ),
    ),
  );
const subjects = (found: readonly (Credential | null)[]) =>
  found.map((credential) => credential?.subject);
const end = (
  credentials: Credentials,
  credential: Credential,
  ...outcomes: ('ok' | 'fail' | 'unknown')[]
) => {
  const revocation = credentials.startRevocation(credential);
  for (const outcome of outcomes) credentials.recordRevocationAttempt(revocation, outcome, 0);
  credentials.finishRevocation(revocation);
};
const asked = { sentUs: 0, revocation: null };

describe('draw', () => {
  it('draws account by account, repeatedly, while no credential is revoked', () => {
    const credentials = make(3);
    const drawn = [0, 1, 2, 3, 4, 302].map((position) => credentials.draw('live', position));
    expect(subjects(drawn)).toEqual(['s0', 's1', 's2', 's0', 's1', 's2']);
    expect(credentials.draw('ended', 0)).toBeNull();
    expect(make(0).draw('any', 0)).toBeNull();
  });

  it('any: draws all credentials, also the unsure ones', () => {
    const credentials = make(4);
    end(credentials, credentials.draw('live', 1)!, 'ok');
    end(credentials, credentials.draw('live', 2)!, 'unknown');
    const drawn = [0, 1, 2, 3].map((position) => credentials.draw('any', position));
    expect(subjects(drawn).sort()).toEqual(['s0', 's1', 's2', 's3']);
    expect(subjects(drawn.slice(2))).toEqual(['s1', 's2']);
  });
});

it('draws the last of the ended, whatever ended before', () => {
  const credentials = make(5);
  expect(credentials.draw('just-ended', 3)).toBeNull();
  for (const subject of ['s1', 's3', 's0'])
    end(credentials, credentials.all('live').find((one) => one.subject === subject)!, 'ok');
  const drawn = [0, 1, 2, 7].map((position) => credentials.draw('just-ended', position));
  expect(subjects(drawn)).toEqual(['s0', 's3', 's0', 's3']);
});

describe('a revocation of several', () => {
  /** Two users, with three credentials and with one. */
  const two = () =>
    new Credentials(
      ['a', 'a', 'a', 'b'].map((id, index) =>
        compileAccount({ id, headers: {}, vars: {}, subject: `${id}${index}` }, index),
      ),
    );
  const states = (credentials: Credentials) =>
    Object.fromEntries(
      credentials
        .all('live')
        .map(({ subject }) => [subject, 'live'])
        .concat(credentials.all('ended').map(({ subject }) => [subject, 'ended'])),
    );

  it('ends the others, or all, of its user and of nobody else', () => {
    const others = two();
    const one = others.draw('live', 0)!;
    const revocation = others.startRevocation(one, 'others');
    expect(states(others)).toEqual({ a0: 'live', b3: 'live' });
    others.recordRevocationAttempt(revocation, 'ok', 10);
    others.finishRevocation(revocation);
    expect(states(others)).toEqual({ a0: 'live', a1: 'ended', a2: 'ended', b3: 'live' });
    const all = others.startRevocation(one, 'all');
    others.recordRevocationAttempt(all, 'fail', 20);
    others.finishRevocation(all);
    expect(states(others)).toMatchObject({ a0: 'live' });
    const again = others.startRevocation(one, 'all');
    others.recordRevocationAttempt(again, 'ok', 30);
    others.finishRevocation(again);
    expect(states(others)).toEqual({ a0: 'ended', a1: 'ended', a2: 'ended', b3: 'live' });
  });

  it.each([
    ['ok', 5, {}],
    ['ok', 40, { n: 'live' }],
    ['fail', 5, { n: 'live' }],
    ['unknown', 5, {}],
    ['unknown', 40, {}],
  ] as const)('%s leaves one asked for at %i as it must be', (outcome, sentUs, expected) => {
    const credentials = two();
    const revocation = credentials.startRevocation(credentials.draw('live', 0)!, 'all');
    const issue = () =>
      credentials.addIssued(0, { token: 't', subject: 'n' }, { sentUs, revocation: null });
    // Answered before the revocation is, or after.
    if (sentUs < 30) issue();
    credentials.recordRevocationAttempt(revocation, outcome, 30);
    credentials.finishRevocation(revocation);
    if (sentUs >= 30) issue();
    const { n } = states(credentials);
    expect(n === undefined ? {} : { n }).toEqual(expected);
  });

  it('leaves the one that it issues itself live', () => {
    const credentials = two();
    const revocation = credentials.startRevocation(credentials.draw('live', 0)!, 'all');
    credentials.addIssued(0, { token: 't', subject: 'n' }, { sentUs: 5, revocation });
    credentials.recordRevocationAttempt(revocation, 'ok', 30);
    credentials.finishRevocation(revocation);
    expect(states(credentials)).toMatchObject({ n: 'live', a0: 'ended' });
  });
});

it('is not live around its own end and ended afterwards; a dormant one is not live before either', () => {
  let nowMs = 0;
  const endsAtMs = 10_000;
  const credentials = new Credentials(
    [{}, { endsAtMs }, { endsAtMs, dormant: true }].map((part, index) =>
      compileAccount({ id: 'u', headers: {}, vars: {}, subject: `s${index}`, ...part }, index),
    ),
    () => nowMs,
  );
  credentials.addIssued(0, { token: 't', subject: 'n', endsAtMs }, asked);
  const seenAt = (atMs: number) => {
    nowMs = atMs;
    return (['live', 'ended'] as const).map((kind) => subjects(credentials.all(kind)));
  };
  expect(seenAt(9_000)).toEqual([['s0', 'n', 's1'], []]);
  expect(seenAt(endsAtMs)).toEqual([['s0'], []]);
  expect(seenAt(11_000)).toEqual([['s0'], ['n', 's1', 's2']]);
});

describe('a group', () => {
  it('is drawn from separately, repeatedly', () => {
    const credentials = make(6, ['bot', 'honest', 'honest']);
    const of = (group: string) =>
      [0, 1, 2, 3, 4].map((position) => credentials.draw('live', position, group));
    expect(subjects(of('bot'))).toEqual(['s0', 's3', 's0', 's3', 's0']);
    expect(subjects(of('honest'))).toEqual(['s1', 's2', 's4', 's5', 's1']);
    expect(subjects(of('nobody'))).toEqual([null, null, null, null, null].map(() => undefined));
  });

  it('gets the credentials issued to its accounts, and no others', () => {
    const credentials = make(4, ['bot', 'honest']);
    credentials.addIssued(1, { token: 't', subject: 'n' }, asked);
    expect(subjects(credentials.all('live', 'honest'))).toEqual(['s1', 'n', 's3']);
    expect(subjects(credentials.all('live', 'bot'))).toEqual(['s0', 's2']);
    end(credentials, credentials.draw('live', 2, 'honest')!, 'ok');
    expect(subjects(credentials.all('ended', 'honest'))).toEqual(['n']);
    expect(subjects(credentials.all('ended'))).toEqual(['n']);
    expect(credentials.draw('ended', 0, 'bot')).toBeNull();
    expect(credentials.draw('any', 2, 'honest')!.subject).toBe('n');
  });
});

describe('a revocation', () => {
  it.each([
    ['acknowledged', ['ok'], 'ended'],
    ['failed', ['fail'], 'live'],
    ['never answered', ['unknown'], 'unsure'],
    ['acknowledged at the second attempt', ['unknown', 'ok'], 'ended'],
    ['refused after an attempt that may have worked', ['unknown', 'fail'], 'unsure'],
    ['failed twice', ['fail', 'fail'], 'live'],
  ] as const)('%s (%j) leaves it %s', (_, outcomes, state) => {
    const credentials = make(2);
    const credential = credentials.draw('live', 0)!;
    end(credentials, credential, ...outcomes);
    expect(credential.state).toBe(state);
    const of = (kind: 'live' | 'ended') => credentials.all(kind).includes(credential);
    expect([of('live'), of('ended')]).toEqual([state === 'live', state === 'ended']);
  });

  it('makes the credential unsure while in flight, and ended once acknowledged', () => {
    const credentials = make(1);
    const credential = credentials.draw('live', 0)!;
    const revocation = credentials.startRevocation(credential);
    expect([credentials.draw('live', 0), credentials.draw('ended', 0)]).toEqual([null, null]);
    credentials.recordRevocationAttempt(revocation, 'ok', 0);
    expect(credentials.draw('ended', 0)).toBe(credential);
  });

  it('is final once acknowledged, whatever other revocations report', () => {
    const credentials = make(1);
    const credential = credentials.draw('live', 0)!;
    const revocation = credentials.startRevocation(credential);
    end(credentials, credential, 'ok');
    credentials.recordRevocationAttempt(revocation, 'fail', 0);
    credentials.finishRevocation(revocation);
    end(credentials, credential, 'fail');
    expect(credential.state).toBe('ended');
  });

  it('that failed does not make a credential live that another may have revoked', () => {
    const credentials = make(1);
    const credential = credentials.draw('live', 0)!;
    const revocation = credentials.startRevocation(credential);
    end(credentials, credential, 'unknown');
    credentials.recordRevocationAttempt(revocation, 'fail', 0);
    credentials.finishRevocation(revocation);
    expect(credential.state).toBe('unsure');
  });
});

describe('a new credential', () => {
  it('is live, of the same account, with its own token and without the old one', () => {
    const credentials = make(2);
    credentials.addIssued(1, { token: 'new', subject: 's9' }, asked);
    expect(credentials.count('live')).toBe(3);
    const credential = credentials.draw('live', 2)!;
    expect(credential).toMatchObject({ account: 1, id: 'u1', subject: 's9' });
    expect(credential.vars).toEqual({ email: '1@b', subject: 's9' });
    expect(credential.headerLines).toBe('X-Agent: a\r\nauthorization: Bearer new\r\n');
    expect(subjects(credentials.all('live'))).toEqual(['s0', 's1', 's9']);
  });

  it.each([
    ['{"token":"t","session":{"id":"s"}}', { token: 't', subject: 's' }],
    ['{"token":"t","session":{"id":17}}', { token: 't', subject: '17' }],
    ['{"token":"t"}', null],
    ['{"token":"","session":{"id":"s"}}', null],
    ['{"token":"a\\r\\nb: c","session":{"id":"s"}}', null],
    ['{"token":"t","session":["id"]}', null],
    ['{"token":{},"session":{"id":"s"}}', null],
    ['null', null],
    ['{"token":"t","ses', null],
    ['', null],
  ])('of %s is %j', (body, expected) => {
    expect(readIssuedCredential(body, { token: 'token', subject: 'session.id' })).toEqual(expected);
  });

  it('has an end of its own where the template asks for it and the answer names it', () => {
    const fields = { token: 't', subject: 's', endsAt: 'endsAt' };
    const read = (endsAt: unknown) =>
      readIssuedCredential(JSON.stringify({ t: 'a', s: 'b', endsAt }), fields);
    expect(read('2026-11-29T10:00:00.250Z')).toMatchObject({
      endsAtMs: Date.parse('2026-11-29T10:00:00.250Z'),
    });
    expect(read('soon')).toEqual({ token: 'a', subject: 'b' });
  });
});

it('keeps every credential in exactly one list, at its index, after any sequence of operations', () => {
  const step = fc.record({
    kind: fc.constantFrom('live' as const, 'ended' as const, 'any' as const),
    position: fc.nat(),
    act: fc.constantFrom('end' as const, 'start' as const, 'stop' as const, 'begin' as const),
    outcome: fc.constantFrom('ok' as const, 'fail' as const, 'unknown' as const),
  });
  fc.assert(
    fc.property(fc.nat({ max: 6 }), fc.array(step, { maxLength: 60 }), (accounts, steps) => {
      const credentials = make(accounts, ['bot', 'honest', 'ci']);
      const open: Revocation[] = [];
      let made = accounts;
      for (const { kind, position, act, outcome } of steps) {
        const credential = credentials.draw(kind, position);
        if (credential !== null && kind !== 'any') expect(credential.state).toBe(kind);
        if (act === 'begin' && accounts > 0) {
          made += 1;
          const issued = { token: 't', subject: `n${made}` };
          credentials.addIssued(position % accounts, issued, asked);
        } else if (act === 'stop') {
          const stopped = open.pop();
          if (stopped === undefined) continue;
          credentials.recordRevocationAttempt(stopped, outcome, 0);
          credentials.finishRevocation(stopped);
        } else if (credential !== null && act === 'start') {
          open.push(credentials.startRevocation(credential));
        } else if (credential !== null) {
          end(credentials, credential, outcome);
        }
        const all = Array.from({ length: made }, (_, index) => credentials.draw('any', index)!);
        expect(new Set(all).size).toBe(made);
        const of = (state: string) => all.filter((each) => each.state === state);
        expect(of('live').map((each) => each.index)).toEqual(of('live').map((_, index) => index));
        expect(of('ended')).toHaveLength(credentials.count('ended'));
        for (const group of ['bot', 'honest', 'ci']) {
          const members = all.filter((each) => each.group === group);
          const drawn = members.map((__, index) => credentials.draw('any', index, group)!);
          expect(new Set(drawn)).toEqual(new Set(members));
          const live = drawn.filter((each) => each.state === 'live');
          expect(live.map((each) => each.groupIndex)).toEqual(live.map((__, index) => index));
        }
        for (const each of of('live'))
          expect([each.pendingRevocations, each.mayBeRevoked]).toEqual([0, false]);
      }
    }),
  );
});
