/**
 * The tenant and the user of events that belong to no organisation: attempts of unknown callers. Its log is chained like every
 * other. No user or organisation has this id, so no session reads it by membership.
 */
export const PLATFORM_TENANT = { organisationId: '0', userId: '0' } as const;
