/** Addresses of the operator's servers, and the errors of a server that cannot be used: three lines, without a password. */
import { EnvironmentError } from '../../../../errors.ts';
import { AddressProblem, redactAddress } from '../../addresses/address-text.ts';

export type ServerVariable = 'DATABASE_URL' | 'REDIS_URL';

/** What an address begins with, in the words of the error. */
const SCHEMES: Readonly<Record<ServerVariable, string>> = {
  DATABASE_URL: 'postgres://',
  REDIS_URL: 'redis:// or unix:///',
};

/** Why a server of the operator's cannot be used, and what helps; default: a server of the run's own. */
export interface ServerProblem {
  readonly why: string;
  readonly next?: string;
}

export function unusableServer(
  name: ServerVariable,
  address: string,
  { why, next = `unset ${name}  (the run then starts its own server)` }: ServerProblem,
  cause?: unknown,
): EnvironmentError {
  return new EnvironmentError(
    { what: `cannot use ${name} ${redactAddress(address)}`, why, next },
    { cause },
  );
}

/** An error of connecting or of a query; an EnvironmentError is returned as it is. */
export function explainServerFailure(
  name: ServerVariable,
  address: string,
  cause: unknown,
): EnvironmentError {
  if (cause instanceof EnvironmentError) return cause;
  const why =
    cause instanceof AddressProblem
      ? `expected an address that starts with ${SCHEMES[name]}: ${cause.message}`
      : reasonOf(cause);
  return unusableServer(name, address, { why }, cause);
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
