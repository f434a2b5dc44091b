import type { FastifyError } from 'fastify';
import { describe, expect, it } from 'vitest';
import { ServiceError } from '../ports.ts';
import { problemOf, reportSparingly } from './problems.ts';

const busy = (code = 'busy') => new ServiceError({ status: 503, code, detail: 'Later.' });
const asProblem = (error: ServiceError) => problemOf(error as unknown as FastifyError, 'r1');

describe('the problem of a service error', () => {
  it('has a type of our own, made of its code', () => {
    expect(asProblem(busy())).toEqual({
      type: 'urn:platform:problem:busy',
      title: 'Service Unavailable',
      status: 503,
      detail: 'Later.',
      requestId: 'r1',
    });
  });

  it('has a registered type, its title and its members where it says so', () => {
    const error = new ServiceError({
      ...{ status: 429, code: 'rate-limited', detail: 'Later.' },
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

describe('what an operator is told', () => {
  it('is each foreseen error once a second, every unforeseen one always', () => {
    let nowMs = 0;
    const told: string[] = [];
    const report = reportSparingly(
      (where) => void told.push(where),
      () => nowMs,
    );
    report('a', busy());
    report('b', busy());
    report('c', busy('other'));
    report('d', new Error('unforeseen'));
    report('e', new Error('unforeseen'));
    nowMs = 999;
    report('f', busy());
    nowMs = 1_000;
    report('g', busy());
    expect(told).toEqual(['a', 'c', 'd', 'e', 'g']);
  });
});
