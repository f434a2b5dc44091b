/**
 * Which denials are counted (denial-log.ts): every answer from 400 to 499 that no user's event records. After the
 * answer is decided it is found out whose credential it was, where a valid one was refused for where it was
 * presented: an API key on a route of sessions, a session's cookie sent by another site. Those look-ups are bounded,
 * and no answer waits for them, so its time tells nothing about the credential.
 */
import type { FastifyRequest } from 'fastify';
import type { ApiKeys } from '../../api-keys/contract.ts';
import { isKeyToken } from '../../api-keys/token.ts';
import { sanitizeText } from '../../audit/policy.ts';
import type { SessionStore } from '../../sessions/contract.ts';
import type { ClientAddress } from '../http/client-address.ts';
import { presentedToken } from '../http/presented-token.ts';
import { clientRequestIdOf } from '../http/request-id.ts';
import { sessionHashOf } from './audit-hooks.ts';
import type { DenialLog, Denied } from './denial-log.ts';

/** Codes of problems behind which there may be a valid credential. */
const MAY_BE_KNOWN: ReadonlySet<string> = new Set(['session-needed', 'cross-site-request']);
const MAX_LOOKUPS_PER_SECOND = 50;
const MAX_LOOKUPS_AT_ONCE = 8;

/** Called once for each request that is refused. */
export type CountDenial = (request: FastifyRequest, status: number, reason: string) => void;

export function createDenialHook(given: {
  denials: DenialLog;
  sessions: Pick<SessionStore, 'check'>;
  apiKeys: Pick<ApiKeys, 'authenticate'>;
  addressOf: ClientAddress;
  monotonicMs: () => number;
}): CountDenial {
  const budget = createBudget(given.monotonicMs);
  return (request, status, reason) => {
    const context = request.requestContext;
    if (status < 400 || status > 499 || context?.auditContext.userId) return;
    const { headers, socket } = request;
    const denial = {
      action: request.routeOptions?.config?.action ?? 'route.find',
      reason,
      requestId: request.id,
      clientRequestId: context?.clientRequestId ?? clientRequestIdOf(headers['x-request-id']),
      personal: {
        ip: context?.ip ?? (given.addressOf(socket.remoteAddress, headers) || null),
        userAgent: sanitizeText(headers['user-agent'], 200),
      },
      of: null,
    };
    const { token } = presentedToken(headers);
    if (!MAY_BE_KNOWN.has(reason) || token === '') return given.denials.count(denial);
    void budget
      .run(() => findDenied(given, token))
      .catch(() => null)
      .then((of) => given.denials.count({ ...denial, of }));
  };
}

async function findDenied(
  {
    sessions,
    apiKeys,
  }: { sessions: Pick<SessionStore, 'check'>; apiKeys: Pick<ApiKeys, 'authenticate'> },
  token: string,
): Promise<Denied | null> {
  if (isKeyToken(token)) {
    const key = await apiKeys.authenticate(token);
    if (!key) return null;
    const { organisationId, ownerId: userId, keyId, agent } = key;
    return { organisationId, userId, keyId, agent, sessionHash: null };
  }
  const session = await sessions.check(token);
  if (!session) return null;
  const { organisationId, userId, id } = session;
  return { organisationId, userId, sessionHash: sessionHashOf(id), keyId: null, agent: null };
}

/** Beyond it the answer is null. */
function createBudget(monotonicMs: () => number) {
  let [second, started, atOnce] = [0, 0, 0];
  return {
    async run<Result>(lookUp: () => Promise<Result>): Promise<Result | null> {
      const now = Math.floor(monotonicMs() / 1_000);
      if (now !== second) [second, started] = [now, 0];
      if (started >= MAX_LOOKUPS_PER_SECOND || atOnce >= MAX_LOOKUPS_AT_ONCE) return null;
      started += 1;
      atOnce += 1;
      try {
        return await lookUp();
      } finally {
        atOnce -= 1;
      }
    },
  };
}
