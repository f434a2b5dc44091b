/** What the audit desk says when it cannot do what it was asked, in three lines: what, why, next. */

/** Refused in three lines: the log is as it was, or it is not what it should be. */
export class DeskError extends Error {
  readonly kind: 'usage' | 'environment' | 'finding';
  readonly why: string;
  readonly next: string;

  constructor(
    kind: DeskError['kind'],
    lines: { what: string; why: string; next: string },
    options?: { cause?: unknown },
  ) {
    super(lines.what, options);
    this.name = 'DeskError';
    this.kind = kind;
    this.why = lines.why;
    this.next = lines.next;
  }

  get what(): string {
    return this.message;
  }
}

export const cannotRead = (file: string, cause: Error) =>
  new DeskError(
    'environment',
    { what: `cannot use ${file}`, why: cause.message, next: `ls -l ${file}` },
    { cause },
  );

export const noSuchEvent = (eventId: string) =>
  new DeskError('usage', {
    what: `there is no event ${eventId}`,
    why: 'no record of the log, live or archived in the database, has this id',
    next: 'platform audit export | grep <what you look for>',
  });

export const notYet = (eventId: string) =>
  new DeskError('environment', {
    what: `event ${eventId} is not under a signed checkpoint yet`,
    why: 'it is on record; blocks and checkpoints follow within about a second while a gateway runs',
    next: `platform audit prove ${eventId}, once more`,
  });

export const notProven = (eventId: string, why: string) =>
  new DeskError('finding', {
    what: `event ${eventId} is in the database, and its proof does not hold`,
    why,
    next: 'platform audit verify',
  });

export const belowRetention = (asked: number, minimum: number) =>
  new DeskError('usage', {
    what: `a retention of ${asked} days is below the minimum of ${minimum} days, and nothing was done`,
    why: 'the minimum is a part of the design; an operator may ask for more, and never for less',
    next: `leave out --keep, or ask for --keep ${minimum} or more`,
  });

export const noRegion = () =>
  new DeskError('usage', {
    what: 'which region is this?',
    why: 'what is done here goes on record under a region, and the log has no event that would say it',
    next: 'once more, with --region <name>',
  });
