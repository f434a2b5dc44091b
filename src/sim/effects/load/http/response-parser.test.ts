import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_CAPTURE_BYTES,
  MAX_HEAD_BYTES,
  ResponseError,
  ResponseParser,
} from './response-parser.ts';

interface Answer {
  readonly complete: boolean;
  readonly status: number;
  readonly body: string;
  readonly keepAlive: boolean;
}

/** Feeds the parts through one reused buffer with rubbish behind them, as the socket does. */
function parse(parts: readonly Buffer[], closes = false): Answer {
  const parser = new ResponseParser();
  parser.start(true);
  const longest = Math.max(0, ...parts.map((part) => part.length));
  const buffer = Buffer.alloc(longest + 64, '\r\n\r\n0\r\n\r\n');
  let complete = false;
  for (const part of parts) {
    expect(complete).toBe(false);
    part.copy(buffer);
    complete = parser.feed(buffer, part.length);
  }
  if (closes && !complete) complete = parser.finish();
  return { complete, status: parser.status, body: parser.body(), keepAlive: parser.keepAlive };
}

const bytes = (text: string) => Buffer.from(text, 'utf8');

function cut(whole: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % whole.length))].sort((a, b) => a - b);
  return [0, ...at]
    .map((from, index) => whole.subarray(from, at[index] ?? whole.length))
    .filter((part) => part.length > 0);
}

const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
  '4;note=x\r\n{"a"\r\n0005\r\n: 10}\r\n0\r\nx-trailer: 1\r\n\r\n';

const ANSWERS: Readonly<Record<string, { text: string; body: string; status: number }>> = {
  length: {
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nna\u00efve \u20ac\r\n',
    body: 'na\u00efve \u20ac\r\n',
    status: 200,
  },
  chunked: { text: CHUNKED, body: '{"a": 10}', status: 200 },
  'no body': { text: 'HTTP/1.1 204 No Content\r\n\r\n', body: '', status: 204 },
  'not modified': {
    text: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n',
    body: '',
    status: 304,
  },
  empty: { text: 'HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', body: '', status: 404 },
  interim: {
    text: `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${CHUNKED}`,
    body: '{"a": 10}',
    status: 200,
  },
};

describe('an answer', () => {
  for (const [name, { text, body, status }] of Object.entries(ANSWERS)) {
    it(`is the same however its bytes are split: ${name}`, () => {
      const whole = bytes(text);
      const answer = { complete: true, status, body, keepAlive: true };
      expect(parse([whole])).toEqual(answer);
      expect(parse([...whole].map((byte) => Buffer.from([byte])))).toEqual(answer);
      fc.assert(
        fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
          expect(parse(cut(whole, places))).toEqual(answer);
        }),
      );
    });

    it(`is never complete before its last byte: ${name}`, () => {
      const whole = bytes(text);
      for (let length = 0; length < whole.length; length += 1) {
        expect(parse([whole.subarray(0, length)], true).complete).toBe(false);
      }
    });
  }

  it('is parsed with any body in any chunks', () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(chunks, fc.array(fc.nat(), { maxLength: 12 }), (sent, places) => {
        const framed = sent.flatMap((chunk) => [
          bytes(`${chunk.length.toString(16)}\r\n`),
          Buffer.from(chunk),
          bytes('\r\n'),
        ]);
        const head = bytes('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
        const whole = Buffer.concat([head, ...framed, bytes('0\r\n\r\n')]);
        const body = Buffer.concat(sent).toString('utf8');
        expect(parse(cut(whole, places))).toMatchObject({ complete: true, body });
      }),
    );
  });

  it('without a length ends with the connection, and only then', () => {
    const whole = bytes('HTTP/1.1 200 OK\r\nserver: x\r\n\r\nthe rest');
    expect(parse([whole])).toMatchObject({ complete: false });
    expect(parse([whole], true)).toMatchObject({
      complete: true,
      keepAlive: false,
      body: 'the rest',
    });
  });

  it('reports whether its connection may be reused', () => {
    const keeps = (version: string, header: string) =>
      parse([bytes(`HTTP/${version} 200 OK\r\n${header}content-length: 0\r\n\r\n`)]).keepAlive;
    expect(keeps('1.1', '')).toBe(true);
    expect(keeps('1.1', 'Connection: Close\r\n')).toBe(false);
    expect(keeps('1.0', '')).toBe(false);
    expect(keeps('1.0', 'Connection: keep-alive\r\n')).toBe(true);
  });

  it('leaves no state for the next one on the same connection', () => {
    const parser = new ResponseParser();
    parser.start(true);
    const first = bytes(
      'HTTP/1.1 500 No\r\nconnection: close\r\nkeep-alive: timeout=7\r\ncontent-length: 3\r\n\r\nold',
    );
    expect(parser.feed(first, first.length)).toBe(true);
    parser.start(false);
    expect(parser).toMatchObject({ status: 0, keepAlive: true, keepAliveSeconds: 7 });
    const second = bytes('HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nnew');
    expect(parser.feed(second, second.length)).toBe(true);
    expect(parser).toMatchObject({ status: 200, keepAlive: true });
    expect(parser.body()).toBe('');
  });
});

describe('memory and framing', () => {
  it('keeps at most the captured part of a body, and still finds its end', () => {
    const size = 5 * MAX_CAPTURE_BYTES;
    const head = bytes(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
    const answer = parse(cut(Buffer.concat([head, Buffer.alloc(size, 'x')]), [9000, 70_000]));
    expect(answer.complete).toBe(true);
    expect(answer.body).toBe('x'.repeat(MAX_CAPTURE_BYTES));
  });

  it.each([
    ['an endless head', bytes(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(MAX_HEAD_BYTES)}`)],
    [
      'an endless chunk size',
      bytes(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;${'y'.repeat(MAX_HEAD_BYTES)}`),
    ],
    ['no HTTP', bytes('SSH-2.0-OpenSSH\r\n\r\n')],
    ['no status', bytes('HTTP/1.1 abc\r\n\r\n')],
    ['a bad length', bytes('HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n')],
    ['two lengths in one', bytes('HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n')],
    ['a bad chunk size', bytes('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n')],
    ['bytes after the end', bytes('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabc')],
  ])('refuses %s', (_, input) => {
    expect(() => parse([input])).toThrow(ResponseError);
  });
});

describe('captured headers', () => {
  const head =
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRateLimit:  a;b \r\nratelimit: c\r\n' +
    `X-Long: ${'x'.repeat(3_000)}\r\nempty:\r\nno colon\r\nx-other: 1\r\n\r\n`;
  const headersOf = (text: string, wanted: readonly string[] | null, piece = text.length) => {
    const parser = new ResponseParser();
    parser.start(false, wanted);
    for (let at = 0; at < text.length; at += piece) {
      const part = bytes(text.slice(at, at + piece));
      parser.feed(part, part.length);
    }
    return parser.headers;
  };

  it('are kept by name in lower case, the first of each, and no others', () => {
    const wanted = ['ratelimit', 'x-long', 'empty', 'retry-after'];
    const expected = { ratelimit: 'a;b', empty: '', 'x-long': 'x'.repeat(1_024) };
    for (const piece of [1, 7, 5_000]) {
      expect(headersOf(`${head}ok`, wanted, piece)).toEqual(expected);
    }
  });

  it('are null when none are to be captured, without state of the answer before', () => {
    expect(headersOf(`${head}ok`, null)).toBeNull();
    const parser = new ResponseParser();
    for (const [name, expected] of [
      ['first', { first: '1' }],
      ['second', {}],
    ] as const) {
      parser.start(false, [name]);
      expect(parser.headers).toBeNull();
      const answer = bytes('HTTP/1.1 204 No Content\r\nfirst: 1\r\n\r\n');
      expect(parser.feed(answer, answer.length)).toBe(true);
      expect(parser.headers).toEqual(expected);
    }
  });

  it('are those of the final answer, not of an interim one', () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nlink: early\r\n\r\n';
    expect(headersOf(`${interim}HTTP/1.1 204 No Content\r\n\r\n`, ['link'])).toEqual({});
  });
});
