import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../../sim/history.ts';
import { operation } from '../../sim/pure/fixtures/records.ts';
import { parseEvidence, parseLimitFields } from './limit-evidence.ts';

const responseWith = (headers: OperationRecord['headers']) =>
  operation(1, headers === undefined ? {} : { headers });

describe('evidenceOf', () => {
  it('reads a decision', () => {
    const text = 'at=1795254360123456;took=812;admitted=0;mode=store;by=user,login-account';
    expect(parseEvidence(responseWith({ 'x-limit-decision': text }))).toEqual({
      atUs: 1_795_254_360_123_456,
      firstAtUs: 1_795_254_360_123_456,
      tookUs: 812,
      admitted: false,
      mode: 'store',
      refusedBy: ['user', 'login-account'],
    });
  });

  it('reads a login, which is decided twice', () => {
    const text =
      'at=100;took=9;admitted=1;mode=store;by=, at=250;took=4;admitted=0;mode=store;by=login-pair';
    expect(parseEvidence(responseWith({ 'x-limit-decision': text }))).toEqual({
      atUs: 250,
      firstAtUs: 100,
      tookUs: 9,
      admitted: false,
      mode: 'store',
      refusedBy: ['login-pair'],
    });
  });

  it('reads a decision that no policy refused', () => {
    const text = 'at=1;took=0;admitted=1;mode=share;by=';
    expect(parseEvidence(responseWith({ 'x-limit-decision': text }))).toMatchObject({
      admitted: true,
      mode: 'share',
      refusedBy: [],
    });
  });

  it('is null where there is none, and an error where it cannot be read', () => {
    expect(parseEvidence(responseWith(undefined))).toBeNull();
    expect(parseEvidence(responseWith({ ratelimit: '"user";r=1;t=1' }))).toBeNull();
    for (const text of [
      '',
      'at=1',
      'at=-1;took=0;admitted=1;mode=share;by=',
      'at=1;took=0;admitted=1;mode=open;by=',
    ])
      expect(() => parseEvidence(responseWith({ 'x-limit-decision': text }))).toThrow(
        /cannot be read/,
      );
  });
});

describe('limitFieldsOf', () => {
  it('joins what is left with the quota of its policy', () => {
    const fields = parseLimitFields(
      responseWith({
        'ratelimit-policy': '"user";q=100;w=60, "organisation";q=1000;w=60;pk=:b3Jn:',
        ratelimit: '"user";r=3;t=12, "organisation";r=-1',
      }),
    );
    expect(fields).toEqual([
      { policy: 'user', limit: 100, remaining: 3, resetSeconds: 12 },
      { policy: 'organisation', limit: 1000, remaining: -1, resetSeconds: null },
    ]);
  });

  it('is empty without fields', () =>
    expect(parseLimitFields(responseWith(undefined))).toEqual([]));
});
