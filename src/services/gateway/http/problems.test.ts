import type { FastifyError } from 'fastify';
import { describe, expect, it } from 'vitest';
import { ServiceError } from '../../ports.ts';
import { problemOf, throttleReports } from './problems.ts';

const busy = (code = 'busy') => new ServiceError({ status: 503, code, detail: 'Later.' });
const asProblem = (error: ServiceError) => problemOf(error as unknown as FastifyError, 'r1');

describe('the problem of a service error', () => {
  it('has a type made of its code', () => {
    expect(asProblem(busy())).toEqual({
      type: 'urn:platform:problem:busy',
      title: 'Service Unavailable',
      status: 503,
      detail: 'Later.',
      requestId: 'r1',
    });
  });

  it('has the registered type, title and members of the error', () => {
    const error = new ServiceError({
      status: 429,
      code: 'rate-limited',
      detail: 'Later.',
      registered: { type: 'https://example.test/types#quota', title: 'Quota' },
      members: { 'violated-policies': ['user'] },
    });
    expect(asProblem(error)).toMatchObject({
      type: 'https://example.test/types#quota',
      title: 'Quota',
      'violated-policies': ['user'],
    });
  });
});

describe('reports to the operator', () => {
  it('are each service error once a second, and every unexpected error', () => {
    let nowMs = 0;
    const reported: string[] = [];
    const report = throttleReports(
      (where) => void reported.push(where),
      () => nowMs,
    );
    report('a', busy());
    report('b', busy());
    report('c', busy('other'));
    report('d', new Error('unexpected'));
    report('e', new Error('unexpected'));
    nowMs = 999;
    report('f', busy());
    nowMs = 1_000;
    report('g', busy());
    expect(reported).toEqual(['a', 'c', 'd', 'e', 'g']);
  });
});
