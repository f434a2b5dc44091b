/** Errors of `AuditAdmin`, in three lines: what, why, next. */

/** `finding`: the log or an archive is not intact. Otherwise the log is unchanged. */
export class AdminError extends Error {
  readonly kind: 'usage' | 'environment' | 'finding';
  readonly why: string;
  readonly next: string;

  constructor(
    kind: AdminError['kind'],
    lines: { what: string; why: string; next: string },
    options?: { cause?: unknown },
  ) {
    super(lines.what, options);
    this.name = 'AdminError';
    this.kind = kind;
    this.why = lines.why;
    this.next = lines.next;
  }

  get what(): string {
    return this.message;
  }
}

export const unreadableFile = (file: string, cause: Error) =>
  new AdminError(
    'environment',
    { what: `cannot use ${file}`, why: cause.message, next: `ls -l ${file}` },
    { cause },
  );

export const eventNotFound = (eventId: string) =>
  new AdminError('usage', {
    what: `there is no event ${eventId}`,
    why: 'no record of the log, live or archived in the database, has this id',
    next: 'platform audit export | grep <text of the event>',
  });

export const notCheckpointed = (eventId: string) =>
  new AdminError('environment', {
    what: `event ${eventId} is not under a signed checkpoint yet`,
    why: 'it is recorded; its block and checkpoint follow within about a second while a gateway runs',
    next: `run platform audit prove ${eventId} again`,
  });

export const proofInvalid = (eventId: string, why: string) =>
  new AdminError('finding', {
    what: `event ${eventId} is in the database, but its proof is not valid`,
    why,
    next: 'platform audit verify',
  });

export const retentionTooShort = (days: number, minDays: number) =>
  new AdminError('usage', {
    what: `a retention of ${days} days is below the minimum of ${minDays} days, and nothing was done`,
    why: 'the minimum is a part of the design; an operator may raise it, but not lower it',
    next: `leave out --keep, or use --keep ${minDays} or more`,
  });

export const regionUnknown = () =>
  new AdminError('usage', {
    what: 'the region is not known',
    why: "an operator's action is recorded with a region, and the log has no event to take it from",
    next: 'run it again with --region <name>',
  });
