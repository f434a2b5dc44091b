import { describe, expect, it } from 'vitest';
import type { OperationRecord } from '../sim/history.ts';
import { operation } from '../sim/pure/fixtures.ts';
import { evidenceOf, limitFieldsOf } from './limit-evidence.ts';

const answered = (headers: OperationRecord['headers']) =>
  operation(1, headers === undefined ? {} : { headers });

describe('evidenceOf', () => {
  it('reads a decision', () => {
    const text = 'at=1795254360123456;took=812;admitted=0;mode=store;by=user,login-account';
    expect(evidenceOf(answered({ 'x-limit-decision': text }))).toEqual({
      ...{ atUs: 1_795_254_360_123_456, tookUs: 812, admitted: false, mode: 'store' },
      by: ['user', 'login-account'],
    });
  });

  it('reads one that nobody refused', () => {
    const text = 'at=1;took=0;admitted=1;mode=share;by=';
    expect(evidenceOf(answered({ 'x-limit-decision': text }))).toMatchObject({
      ...{ admitted: true, mode: 'share', by: [] },
    });
  });

  it('is null where there is none, and an error where it cannot be read', () => {
    expect(evidenceOf(answered(undefined))).toBeNull();
    expect(evidenceOf(answered({ ratelimit: '"user";r=1;t=1' }))).toBeNull();
    for (const text of [
      '',
      'at=1',
      'at=-1;took=0;admitted=1;mode=share;by=',
      'at=1;took=0;admitted=1;mode=open;by=',
    ])
      expect(() => evidenceOf(answered({ 'x-limit-decision': text }))).toThrow(/cannot be read/);
  });
});

describe('limitFieldsOf', () => {
  it('joins what is left with the quota of its policy', () => {
    const fields = limitFieldsOf(
      answered({
        'ratelimit-policy': '"user";q=100;w=60, "organisation";q=1000;w=60;pk=:b3Jn:',
        ratelimit: '"user";r=3;t=12, "organisation";r=-1',
      }),
    );
    expect(fields).toEqual([
      { policy: 'user', limit: 100, remaining: 3, resetSeconds: 12 },
      { policy: 'organisation', limit: 1000, remaining: -1, resetSeconds: null },
    ]);
  });

  it('is empty without fields', () => expect(limitFieldsOf(answered(undefined))).toEqual([]));
});
