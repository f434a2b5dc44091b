import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileAccount } from '../http/request-template.ts';
import { type Credential, Credentials, readBegun } from './credentials.ts';

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
const subjects = (found: readonly (Credential | null)[]) => found.map((one) => one?.subject);
const end = (
  credentials: Credentials,
  one: Credential,
  ...outcomes: ('ok' | 'fail' | 'unknown')[]
) => {
  credentials.startEnding(one);
  for (const outcome of outcomes) credentials.attempted(one, outcome);
  credentials.stopEnding(one);
};

describe('drawing', () => {
  it('is account by account, round and round, while nothing ended', () => {
    const credentials = make(3);
    const drawn = [0, 1, 2, 3, 4, 302].map((position) => credentials.draw('live', position));
    expect(subjects(drawn)).toEqual(['s0', 's1', 's2', 's0', 's1', 's2']);
    expect(credentials.draw('ended', 0)).toBeNull();
    expect(make(0).draw('any', 0)).toBeNull();
  });

  it('of any walks all, those whose end is unknown too', () => {
    const credentials = make(4);
    end(credentials, credentials.draw('live', 1)!, 'ok');
    end(credentials, credentials.draw('live', 2)!, 'unknown');
    const drawn = [0, 1, 2, 3].map((position) => credentials.draw('any', position));
    expect(subjects(drawn).sort()).toEqual(['s0', 's1', 's2', 's3']);
    expect(subjects(drawn.slice(2))).toEqual(['s1', 's2']);
  });
});

describe('a group', () => {
  it('is drawn from alone, round and round', () => {
    const credentials = make(6, ['bot', 'honest', 'honest']);
    const of = (group: string) =>
      [0, 1, 2, 3, 4].map((position) => credentials.draw('live', position, group));
    expect(subjects(of('bot'))).toEqual(['s0', 's3', 's0', 's3', 's0']);
    expect(subjects(of('honest'))).toEqual(['s1', 's2', 's4', 's5', 's1']);
    expect(subjects(of('nobody'))).toEqual([null, null, null, null, null].map(() => undefined));
  });

  it('takes in what its accounts begin, and only that', () => {
    const credentials = make(4, ['bot', 'honest']);
    credentials.begin(1, { token: 't', subject: 'n' });
    expect(subjects(credentials.all('live', 'honest'))).toEqual(['s1', 'n', 's3']);
    expect(subjects(credentials.all('live', 'bot'))).toEqual(['s0', 's2']);
    end(credentials, credentials.draw('live', 2, 'honest')!, 'ok');
    expect(subjects(credentials.all('ended', 'honest'))).toEqual(['n']);
    expect(subjects(credentials.all('ended'))).toEqual(['n']);
    expect(credentials.draw('ended', 0, 'bot')).toBeNull();
    expect(credentials.draw('any', 2, 'honest')!.subject).toBe('n');
  });
});

describe('an end', () => {
  it.each([
    ['acknowledged', ['ok'], 'ended'],
    ['failed', ['fail'], 'live'],
    ['never answered', ['unknown'], 'unsure'],
    ['acknowledged at the second attempt', ['unknown', 'ok'], 'ended'],
    ['refused after an attempt that may have worked', ['unknown', 'fail'], 'unsure'],
    ['failed twice', ['fail', 'fail'], 'live'],
  ] as const)('%s (%j) leaves it %s', (_, outcomes, state) => {
    const credentials = make(2);
    const one = credentials.draw('live', 0)!;
    end(credentials, one, ...outcomes);
    expect(one.state).toBe(state);
    const of = (kind: 'live' | 'ended') => credentials.all(kind).includes(one);
    expect([of('live'), of('ended')]).toEqual([state === 'live', state === 'ended']);
  });

  it('is drawn as neither while it is under way, and as ended from the acknowledgement on', () => {
    const credentials = make(1);
    const one = credentials.draw('live', 0)!;
    credentials.startEnding(one);
    expect([credentials.draw('live', 0), credentials.draw('ended', 0)]).toEqual([null, null]);
    credentials.attempted(one, 'ok');
    expect(credentials.draw('ended', 0)).toBe(one);
  });

  it('is final, whatever other ends say', () => {
    const credentials = make(1);
    const one = credentials.draw('live', 0)!;
    credentials.startEnding(one);
    end(credentials, one, 'ok');
    credentials.attempted(one, 'fail');
    credentials.stopEnding(one);
    end(credentials, one, 'fail');
    expect(one.state).toBe('ended');
  });

  it('that failed does not bring back what another may have ended', () => {
    const credentials = make(1);
    const one = credentials.draw('live', 0)!;
    credentials.startEnding(one);
    end(credentials, one, 'unknown');
    credentials.attempted(one, 'fail');
    credentials.stopEnding(one);
    expect(one.state).toBe('unsure');
  });
});

describe('a new credential', () => {
  it('is live, of the same account, with its own token and nothing of the old one', () => {
    const credentials = make(2);
    credentials.begin(1, { token: 'new', subject: 's9' });
    expect(credentials.count('live')).toBe(3);
    const one = credentials.draw('live', 2)!;
    expect(one).toMatchObject({ account: 1, id: 'u1', subject: 's9' });
    expect(one.vars).toEqual({ email: '1@b', subject: 's9' });
    expect(one.headerLines).toBe('X-Agent: a\r\nauthorization: Bearer new\r\n');
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
    expect(readBegun(body, { token: 'token', subject: 'session.id' })).toEqual(expected);
  });
});

it('holds every credential in exactly one list, in its place, whatever happens', () => {
  const step = fc.record({
    kind: fc.constantFrom('live' as const, 'ended' as const, 'any' as const),
    position: fc.nat(),
    act: fc.constantFrom('end' as const, 'start' as const, 'stop' as const, 'begin' as const),
    outcome: fc.constantFrom('ok' as const, 'fail' as const, 'unknown' as const),
  });
  fc.assert(
    fc.property(fc.nat({ max: 6 }), fc.array(step, { maxLength: 60 }), (accounts, steps) => {
      const credentials = make(accounts, ['bot', 'honest', 'ci']);
      const open: Credential[] = [];
      let made = accounts;
      for (const { kind, position, act, outcome } of steps) {
        const one = credentials.draw(kind, position);
        if (one !== null && kind !== 'any') expect(one.state).toBe(kind);
        if (act === 'begin' && accounts > 0) {
          made += 1;
          credentials.begin(position % accounts, { token: 't', subject: `n${made}` });
        } else if (act === 'stop') {
          const stopped = open.pop();
          if (stopped === undefined) continue;
          credentials.attempted(stopped, outcome);
          credentials.stopEnding(stopped);
        } else if (one !== null && act === 'start') {
          credentials.startEnding(one);
          open.push(one);
        } else if (one !== null) {
          end(credentials, one, outcome);
        }
        const all = Array.from({ length: made }, (_, place) => credentials.draw('any', place)!);
        expect(new Set(all).size).toBe(made);
        const of = (state: string) => all.filter((each) => each.state === state);
        expect(of('live').map((each) => each.place)).toEqual(of('live').map((_, place) => place));
        expect(of('ended')).toHaveLength(credentials.count('ended'));
        for (const group of ['bot', 'honest', 'ci']) {
          const members = all.filter((each) => each.group === group);
          const drawn = members.map((__, place) => credentials.draw('any', place, group)!);
          expect(new Set(drawn)).toEqual(new Set(members));
          const live = drawn.filter((each) => each.state === 'live');
          expect(live.map((each) => each.groupPlace)).toEqual(live.map((__, place) => place));
        }
        for (const each of of('live')) expect([each.ending, each.doubted]).toEqual([0, false]);
      }
    }),
  );
});
