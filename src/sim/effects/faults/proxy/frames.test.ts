/** Any split of the bytes gives the same frames, whatever the protocol, and no bytes make a framer throw. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Framing, Protocol, Request } from './frames.ts';
import { createFraming } from './framing.ts';

const PROTOCOLS: readonly Protocol[] = ['http', 'resp', 'postgres'];

/** Cuts bytes at the given places, each in [0, 1]. */
function split(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
  const edges = [0, ...at, bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}

/** Where requests began and ended, as offsets into all bytes. */
function requestsIn(framing: Framing, chunks: readonly Buffer[]): string[] {
  const marks: string[] = [];
  let base = 0;
  for (const chunk of chunks) {
    framing.requests(chunk, {
      begin: (at) => marks.push(`begin ${base + at}`),
      flush: (at) => marks.push(`flush ${base + at}`),
      end: (at, { name, isCommit: commit }) =>
        marks.push(`end ${base + at} ${name}${commit ? '!' : ''}`),
    });
    base += chunk.length;
  }
  return marks;
}

function repliesIn(framing: Framing, chunks: readonly Buffer[], asked: Request[] = []): number[] {
  const ends: number[] = [];
  let base = 0;
  for (const chunk of chunks) {
    framing.replies(chunk, {
      nextRequest: () => asked[0],
      end: (at) => {
        asked.shift();
        ends.push(base + at);
      },
    });
    base += chunk.length;
  }
  return ends;
}

const request = (name: string): Request => ({ name, isCommit: false });
const endsOf = (parts: readonly (Buffer | string)[]) => {
  let end = 0;
  return parts.map((part) => {
    end += part.length;
    return end;
  });
};
const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });
const join = (parts: readonly (Buffer | string)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)),
  );

const pgMessage = (type: string, body: string) => {
  const bytes = Buffer.alloc(type.length + 4 + body.length);
  bytes.write(`${type}\0\0\0\0${body}`, 'latin1');
  bytes.writeUInt32BE(4 + body.length, type.length);
  return bytes;
};
const pgStartup = pgMessage('', '\0\x03\0\0user\0postgres\0\0');

describe('HTTP/1.1', () => {
  const body = fc.string({ maxLength: 60 }).map((text) => text.replace(/[^\x20-\x7e]/g, '?'));
  const messageOf = (head: string) =>
    fc.oneof(
      body.map((text) => `${head}\r\nContent-Length: ${text.length}\r\n\r\n${text}`),
      fc.array(body, { maxLength: 4 }).map((texts) => {
        const chunks = texts.filter((text) => text !== '');
        const sized = chunks.map((text) => `${text.length.toString(16)};x=1\r\n${text}\r\n`);
        return `${head}\r\ntransfer-encoding: chunked\r\n\r\n${sized.join('')}0\r\nt: 1\r\n\r\n`;
      }),
    );
  const requests = fc.array(
    fc.oneof(
      messageOf('POST /p?secret=1 HTTP/1.1\r\nhost: x'),
      fc.constant('GET /g HTTP/1.1\r\nhost: x\r\n\r\n'),
    ),
    { minLength: 1, maxLength: 5 },
  );

  it('finds every request, in any split', () => {
    fc.assert(
      fc.property(requests, places, (texts, cuts) => {
        const framing = createFraming('http');
        const marks = requestsIn(framing, split(join(texts), cuts));
        const ends = endsOf(texts);
        expect(marks).toEqual(
          texts.flatMap((text, index) => [
            `begin ${ends[index]! - text.length}`,
            `end ${ends[index]} ${text.startsWith('GET') ? 'GET /g' : 'POST /p'}`,
          ]),
        );
        expect(framing.isOpaque).toBe(false);
      }),
    );
  });

  it('finds the end of every reply, in any split', () => {
    const replies = fc.array(
      fc.oneof(
        messageOf('HTTP/1.1 200 OK').map((text) => ({ text, to: 'GET /' })),
        messageOf('HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 404 Not Found').map((text) => ({
          text,
          to: 'GET /',
        })),
        fc.constant({ text: 'HTTP/1.1 204 No Content\r\n\r\n', to: 'GET /' }),
        fc.constant({ text: 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n', to: 'HEAD /' }),
      ),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(replies, places, (all, cuts) => {
        const texts = all.map(({ text }) => text);
        const asked = all.map(({ to }) => request(to));
        expect(repliesIn(createFraming('http'), split(join(texts), cuts), asked)).toEqual(
          endsOf(texts),
        );
      }),
    );
  });

  it('becomes opaque after an upgrade', () => {
    const framing = createFraming('http');
    repliesIn(framing, [Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello')]);
    expect(framing.isOpaque).toBe(true);
  });
});

describe('RESP', () => {
  const word = fc
    .uint8Array({ maxLength: 80 })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));
  const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
  const commands = fc.array(
    fc.oneof(
      fc
        .array(word, { maxLength: 4 })
        .map((args) => `*${args.length + 1}\r\n${['Set', ...args].map(bulk).join('')}`),
      fc.constant('set a b\r\n'),
    ),
    { minLength: 1, maxLength: 6 },
  );

  it('finds every command, in any split', () => {
    fc.assert(
      fc.property(commands, places, (texts, cuts) => {
        const ends = endsOf(texts);
        expect(requestsIn(createFraming('resp'), split(join(texts), cuts))).toEqual(
          texts.flatMap((text, index) => [
            `begin ${ends[index]! - text.length}`,
            `end ${ends[index]} SET`,
          ]),
        );
      }),
    );
  });

  it('finds the end of every reply, nested, pushed or with attributes, in any split', () => {
    const { value } = fc.letrec<{ value: string }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        word.map(bulk),
        fc.constantFrom('+OK\r\n', '-ERR x\r\n', ':1\r\n', '_\r\n', '$-1\r\n', '*-1\r\n', '#t\r\n'),
        fc.constantFrom('(123\r\n', ',1.5\r\n', '=7\r\ntxt:abc\r\n', '!5\r\nERR x\r\n', '*0\r\n'),
        fc.array(tie('value'), { maxLength: 3 }).map((all) => `*${all.length}\r\n${all.join('')}`),
        fc.array(tie('value'), { maxLength: 3 }).map((all) => `~${all.length}\r\n${all.join('')}`),
        fc
          .array(fc.tuple(tie('value'), tie('value')), { maxLength: 2 })
          .map((all) => `%${all.length}\r\n${all.flat().join('')}`),
        tie('value').map((one) => `|1\r\n+ttl\r\n:5\r\n${one}`),
      ),
    }));
    const withPush = fc.tuple(fc.boolean(), value).map(([pushed, text]) => ({
      pushed: pushed ? '>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n' : '',
      text,
    }));
    fc.assert(
      fc.property(fc.array(withPush, { minLength: 1, maxLength: 5 }), places, (all, cuts) => {
        const texts = all.map(({ pushed, text }) => pushed + text);
        expect(repliesIn(createFraming('resp'), split(join(texts), cuts))).toEqual(endsOf(texts));
      }),
    );
  });

  it('becomes opaque where replies no longer match commands', () => {
    for (const command of ['SUBSCRIBE a', 'monitor', 'CLIENT reply OFF']) {
      const framing = createFraming('resp');
      requestsIn(framing, [Buffer.from(`${command}\r\n`)]);
      expect(framing.isOpaque).toBe(true);
    }
  });
});

describe('PostgreSQL', () => {
  const sql = fc.constantFrom('SELECT 1', 'COMMIT', 'insert into t values (1); commit');
  const wanted = (text: string) => (/commit/i.test(text) ? '!' : '');
  const simple = sql.map((text) => ({
    parts: [pgMessage('Q', `${text}\0`)],
    flush: false,
    name: `${/^[a-z]+/i.exec(text)![0].toUpperCase()}${wanted(text)}`,
  }));
  const extended = fc.tuple(sql, fc.boolean(), fc.boolean()).map(([text, flush, executed]) => ({
    parts: [
      pgMessage('P', `name\0${text}\0\0\0`),
      pgMessage('B', `portal\0name\0\0\0\0\0\0\0`),
      ...(executed ? [pgMessage('E', `portal\0\0\0\0\0`)] : []),
      ...(flush ? [pgMessage('H', '')] : []),
      pgMessage('S', ''),
    ],
    flush,
    name: `${/^[a-z]+/i.exec(text)![0].toUpperCase()}${executed ? wanted(text) : ''}`,
  }));

  it('finds every request and every COMMIT, in any split', () => {
    const requests = fc.array(fc.oneof(simple, extended), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(requests, places, (all, cuts) => {
        const framing = createFraming('postgres');
        const password = pgMessage('p', 'secret\0');
        const bytes = join([pgStartup, password, ...all.flatMap(({ parts }) => parts)]);
        let at = pgStartup.length + password.length;
        const marks = all.flatMap(({ parts, flush, name }) => {
          const begin = at;
          at += join(parts).length;
          const flushed = flush ? [`flush ${at - 5}`] : [];
          return [`begin ${begin}`, ...flushed, `end ${at} ${name}`];
        });
        expect(requestsIn(framing, split(bytes, cuts))).toEqual(marks);
        expect(framing.isOpaque).toBe(false);
      }),
    );
  });

  it('finds the end of every reply after the start-up, in any split', () => {
    const reply = fc
      .array(fc.tuple(fc.constantFrom('T', 'D', 'C', 'N', '1', '2'), fc.string({ maxLength: 40 })))
      .map((all) => join([...all.map(([type]) => pgMessage(type, 'body')), pgMessage('Z', 'I')]));
    fc.assert(
      fc.property(fc.array(reply, { minLength: 2, maxLength: 5 }), places, (all, cuts) => {
        const ends = repliesIn(createFraming('postgres'), split(join(all), cuts));
        expect(ends).toEqual(endsOf(all).slice(1));
      }),
    );
  });

  it('recognises a COMMIT by the name of its statement, until the name is reused', () => {
    const framing = createFraming('postgres');
    const run = [pgMessage('B', '\0c\0\0\0\0\0\0\0'), pgMessage('E', '\0\0\0\0\0')];
    const sync = pgMessage('S', '');
    const parse = (text: string) => pgMessage('P', `c\0${text}\0\0\0`);
    const named = (parts: Buffer[]) =>
      requestsIn(framing, [join(parts)]).map((mark) => mark.replace(/ \d+/, ''));
    named([pgStartup]);
    expect(named([parse('COMMIT'), sync])).toEqual(['begin', 'end COMMIT']);
    expect(named([...run, sync])).toEqual(['begin', 'end COMMIT!']);
    expect(named([parse('SELECT 1'), ...run, sync])).toEqual(['begin', 'end SELECT']);
    expect(named([...run, sync])).toEqual(['begin', 'end statement']);
    expect(named([parse('END'), pgMessage('C', 'Sc\0'), ...run, sync])).toEqual([
      'begin',
      'end END',
    ]);
  });

  it('continues after a refused SSLRequest and becomes opaque after an accepted one', () => {
    const sslRequest = pgMessage('', '\x04\xd2\x16\x2f');
    for (const [answer, opaque] of [
      ['N', false],
      ['S', true],
    ] as const) {
      const framing = createFraming('postgres');
      requestsIn(framing, [sslRequest]);
      repliesIn(framing, [Buffer.from(answer)]);
      expect(framing.isOpaque).toBe(opaque);
      if (opaque) continue;
      requestsIn(framing, [pgStartup]);
      expect(repliesIn(framing, [pgMessage('Z', 'I'), pgMessage('Z', 'I')])).toEqual([12]);
    }
  });
});

const NOISE = [
  '*2\r\n$',
  'GET / HTTP/1.1\r\n',
  '\r\n\r\n',
  'Q\0\0\0\x05',
  '*1000000000\r\n',
  '$5\r\n',
];

describe('garbage', () => {
  const noise = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom(...NOISE.map((text) => Buffer.from(text, 'latin1')), pgStartup),
    ),
    { maxLength: 8 },
  );

  it.each(PROTOCOLS)('is read without an error and the same in any split: %s', (protocol) => {
    fc.assert(
      fc.property(noise, places, (parts, cuts) => {
        const bytes = join(parts);
        const whole = createFraming(protocol);
        const pieces = createFraming(protocol);
        const chunks = split(bytes, cuts);
        expect(requestsIn(pieces, chunks)).toEqual(requestsIn(whole, [bytes]));
        expect(repliesIn(pieces, chunks)).toEqual(repliesIn(whole, [bytes]));
        expect(pieces.isOpaque).toBe(whole.isOpaque);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['http', 'GET / HTTP/1.1\r\nx: ', 'y'],
    ['http', 'POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n', '1'],
    ['resp', '', 'x'],
    ['resp', '', '*1\r\n'],
  ] as const)('that never ends is given up: %s %j %j', (protocol, start, more) => {
    const framing = createFraming(protocol);
    requestsIn(framing, [Buffer.from(start)]);
    const chunk = Buffer.from(more.repeat(1_000));
    for (let count = 0; count < 200 && !framing.isOpaque; count += 1) requestsIn(framing, [chunk]);
    expect(framing.isOpaque).toBe(true);
  });
});
