import { expect, test } from 'vitest';
import { withSearchPath } from './search-path.ts';

const optionsOf = (url: string) => new URL(url).searchParams.get('options');

test('puts the schema before public', () => {
  expect(optionsOf(withSearchPath('postgres://u:p@h/d', 'platform_x'))).toBe(
    '-csearch_path=platform_x,public',
  );
});

test('keeps the options and parameters that were there', () => {
  const url = withSearchPath('postgres://h/d?sslmode=require&options=-cjit%3Doff', 's');
  expect(optionsOf(url)).toBe('-cjit=off -csearch_path=s,public');
  expect(new URL(url).searchParams.get('sslmode')).toBe('require');
});
