/** New passwords that are refused, and that ordinary ones are not. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEED_PASSWORD } from '../seed.ts';
import { readCommonPasswords } from './common-passwords.ts';
import { findWeakness } from './password-policy.ts';

const common = readCommonPasswords();
const email = 'Alice.Smith42@big-corp.example';
const weakness = (password: string, address = email) =>
  findWeakness(password, { email: address, common });

describe('the list of common passwords', () => {
  it('has thousands, in lower case, without its own comments', () => {
    expect(common.size).toBeGreaterThan(10_000);
    for (const one of common) {
      expect(one).toBe(one.toLowerCase());
      expect(one).not.toMatch(/^#|\s|copyright/i);
    }
  });
});

describe('a new password is refused', () => {
  it.each([
    'password',
    'Password',
    'PASSWORD1',
    'Password1!',
    'password2024',
    'qwertyuiop',
    'iloveyou',
    '!!football!!',
    'dragon99',
    'ｐａｓｓｗｏｒｄ',
    'passwordpassword',
    '12345678',
    '123456789012',
    'abcdefghijkl',
    '98765432',
    'aaaaaaaaaaaa',
    'xyzxyzxyzxyz',
    '........',
  ])('as common: %s', (password) => {
    expect(weakness(password)).toBe('common-password');
  });

  it('as common: each one in the list', () => {
    for (const one of common) expect(weakness(one, 'q@z.io')).toBe('common-password');
  });

  it.each([
    'alice.smith42@big-corp.example',
    'ALICE.SMITH42@BIG-CORP.EXAMPLE',
    'alice.smith42',
    'AliceSmith',
    'alice2024!',
    'smith_alice',
    'big-corp2026',
    'smith12345678',
    'alicepassword',
    '42smith!alice',
  ])('as personal: %s', (password) => {
    expect(weakness(password)).toBe('personal-password');
  });
});

describe('a new password is accepted', () => {
  it.each([
    'a long enough password',
    'another password',
    'correct horse battery staple',
    'alice and four other words',
    'xK9#vQ2!mT7z',
    'dragon8273648273fly',
    SEED_PASSWORD,
    `${SEED_PASSWORD}, changed`,
    'пароль для работы 7',
  ])('%s', (password) => {
    expect(weakness(password)).toBeNull();
    expect(weakness(password, 'user12@example.test')).toBeNull();
  });

  it('whatever it is, if it is random', () => {
    fc.assert(
      fc.property(fc.base64String({ minLength: 16, maxLength: 40 }), (text) => {
        fc.pre(new Set(text).size > 8);
        expect(weakness(text, 'someone@elsewhere.example')).toBeNull();
      }),
    );
  });
});
