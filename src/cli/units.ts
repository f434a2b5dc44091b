/**
 * Parses the values of flags. Units are required: a bare `30` could be seconds or milliseconds, so it is refused and
 * the accepted form is named.
 */
import { UsageError } from '../sim/errors.ts';
import { LOAD_TOOLS, type LoadTool } from '../sim/pure/load/load-tool.ts';
import { suggestion } from '../sim/suggestion.ts';

/** Minutes, seconds and milliseconds in this order, each at most once: `1m30s`. */
const DURATION = /^(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/;
const MS_PER_UNIT = [60_000, 1_000, 1] as const;
const MAX_DURATION_MS = 24 * 60 * 60_000;
const MAX_RATE_PER_SECOND = 1_000_000;
const MAX_SEED = 2 ** 32 - 1;

/** Where `sim` writes by default. */
export const REPORTS_FOLDER = 'reports';
/** Fixed, so that the same command always plans the same operations. */
export const DEFAULT_SEED = 1;

export function parseDurationMs(text: string): number {
  const parts = DURATION.exec(text.trim())?.slice(1) ?? [];
  const durationMs = parts.reduce(
    (sum, part, index) => sum + Number(part ?? 0) * MS_PER_UNIT[index]!,
    0,
  );
  if (durationMs >= 1 && durationMs <= MAX_DURATION_MS) return Math.round(durationMs);
  throw invalidValueError('--duration', text, {
    form: 'a duration is a number above zero and a unit (ms, s or m), as 1m30s, at most 1440m',
    example: /^\d+$/.test(text) && Number(text) > 0 ? `${text}s` : '30s',
  });
}

export function parseRatePerSecond(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\/(s|m)$/.exec(text.trim());
  const ratePerSecond = match === null ? 0 : Number(match[1]) / (match[2] === 'm' ? 60 : 1);
  if (ratePerSecond > 0 && ratePerSecond <= MAX_RATE_PER_SECOND) return ratePerSecond;
  throw invalidValueError('--rate', text, {
    form: 'a rate is a number above zero per second or minute: 200/s or 12000/m, at most 1000000/s',
    example: /^\d+$/.test(text) && Number(text) > 0 ? `${text}/s` : '200/s',
  });
}

export function parseSeed(text: string): number {
  return parseInteger('--seed', text, { min: 0, max: MAX_SEED, example: '1' });
}

export function parseRepeat(text: string): number {
  return parseInteger('--repeat', text, { min: 1, max: 100, example: '3' });
}

export function parseLoadTool(text: string): LoadTool {
  const tool = LOAD_TOOLS.find((name) => name === text.trim());
  if (tool !== undefined) return tool;
  const guess = suggestion(text, LOAD_TOOLS);
  throw new UsageError({
    what: `--load does not know "${text}"`,
    why:
      guess === null
        ? `it takes one of ${LOAD_TOOLS.join(', ')}; without it our own generator sends`
        : `did you mean ${guess}?`,
    next: `platform sim turn4 --rate 200/s --load ${guess ?? 'k6'}`,
  });
}

/** 0: the system chooses a free port. */
export function parsePort(text: string): number {
  const range = { min: 0, max: 65_535, example: '8080', command: 'serve' };
  return parseInteger('--port', text, range);
}

/** A comma-separated list of `known` values, each once, in the order of `known`. */
export function parseChoices<T extends string>(
  flag: string,
  text: string,
  known: readonly T[],
): readonly T[] {
  const typed = text.split(',').map((word) => word.trim());
  const unknown = typed.find((word) => !known.includes(word as T));
  if (unknown === undefined) return known.filter((word) => typed.includes(word));
  throw new UsageError({
    what: `${flag} does not know "${unknown}"`,
    why: `it takes one or more of ${known.join(', ')}, separated by commas`,
    next: `repeat the command with ${flag} ${known.join(',')}`,
  });
}

function parseInteger(
  flag: string,
  text: string,
  range: { min: number; max: number; example: string; command?: string },
): number {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw invalidValueError(flag, text, {
    form: `it takes a whole number from ${range.min} to ${range.max}`,
    example: range.example,
    command: range.command,
  });
}

function invalidValueError(
  flag: string,
  text: string,
  hint: { form: string; example: string; command?: string | undefined },
): UsageError {
  return new UsageError({
    what: `${flag} "${text}" is not understood`,
    why: hint.form,
    next: `platform ${hint.command ?? 'sim turn4'} ${flag} ${hint.example}`,
  });
}
