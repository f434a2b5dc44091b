import { describe, expect, it } from 'vitest';
import { classify } from './outcome.ts';

describe('classify', () => {
  it.each([
    // sent, status, error                        outcome    cause
    [true, 200, null, 'ok', null],
    [true, 204, null, 'ok', null],
    [true, 302, null, 'ok', null],
    [true, 400, null, 'fail', 'http 400'],
    [true, 404, null, 'fail', 'http 404'],
    [true, 429, null, 'fail', 'http 429'],
    [true, 500, null, 'unknown', 'http 500'],
    [true, 503, null, 'unknown', 'http 503'],
    [true, 700, null, 'unknown', 'http 700'],
    [false, 0, 'ECONNREFUSED', 'fail', 'ECONNREFUSED'],
    [false, 0, 'never sent', 'fail', 'never sent'],
    [true, 0, 'timeout', 'unknown', 'timeout'],
    [true, 0, 'ECONNRESET', 'unknown', 'ECONNRESET'],
    // The head promised success, then the connection broke: it may have happened.
    [true, 200, 'ECONNRESET', 'unknown', 'ECONNRESET'],
    [true, 404, 'ECONNRESET', 'unknown', 'ECONNRESET'],
  ] as const)('sent %s, status %i, error %s is %s (%s)', (sent, status, error, outcome, cause) => {
    expect(classify({ sent, status, error })).toEqual({ outcome, error: cause });
  });
});
