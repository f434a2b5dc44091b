import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { captureIo } from './fixtures/captured-io.ts';
import { supportsColor } from './io.ts';

const terminal = Object.assign(new PassThrough(), { isTTY: true });
const pipe = new PassThrough();
const colors = (env: Record<string, string>, stream = terminal as PassThrough, isEnabled = true) =>
  supportsColor(captureIo(env), stream, isEnabled);

describe('colour', () => {
  it('is for terminals that can show it, unless --no-color', () => {
    expect(colors({})).toBe(true);
    expect(colors({ TERM: 'dumb' })).toBe(false);
    expect(colors({}, pipe)).toBe(false);
    expect(colors({}, terminal, false)).toBe(false);
  });

  it('is off under a NO_COLOR that is not empty', () => {
    expect(colors({ NO_COLOR: '1' })).toBe(false);
    expect(colors({ NO_COLOR: '0' })).toBe(false);
    expect(colors({ NO_COLOR: '' })).toBe(true);
  });

  it('is forced by FORCE_COLOR, also into a pipe, and off by FORCE_COLOR=0', () => {
    expect(colors({ FORCE_COLOR: '1' }, pipe)).toBe(true);
    expect(colors({ FORCE_COLOR: 'true', TERM: 'dumb' }, pipe)).toBe(true);
    expect(colors({ FORCE_COLOR: '' }, pipe)).toBe(false);
    expect(colors({ FORCE_COLOR: '0' })).toBe(false);
    expect(colors({ FORCE_COLOR: 'false' })).toBe(false);
    expect(colors({ FORCE_COLOR: '1', NO_COLOR: '1' }, pipe)).toBe(false);
    expect(colors({ FORCE_COLOR: '1' }, pipe, false)).toBe(false);
  });
});
