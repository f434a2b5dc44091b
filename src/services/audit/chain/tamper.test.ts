import { describe, expect, it } from 'vitest';
import { leafOffset, MEMBER_BYTES } from './block.ts';
import { attacks } from './fixtures/attacks.ts';
import { memoryLog } from './fixtures/memory-log.ts';
import { runAttack } from './fixtures/run-attack.ts';
import { allSteps, type VerifySteps } from './verify.ts';
import { type BlockCheck, blockChecks } from './verify-blocks.ts';

describe('tampering with a log in memory', () => {
  it('has twelve attacks', () => {
    expect(new Set(attacks.map(({ attack }) => attack)).size).toBe(12);
  });

  it.each(attacks)('$attack: $name is found and located', async (attack) => {
    expect(await runAttack(attack, memoryLog())).toBeNull();
  });
});

/** Verifiers with one defect each; the attacks must reveal every one. */
const mutants: Record<string, VerifySteps> = {
  'checks only the ends of a chain': {
    ...allSteps,
    blocks: allSteps.blocks.map(
      (check): BlockCheck =>
        (previous, block) =>
          block.number === 1n ? check(previous, block) : null,
    ),
  },
  'trusts a checkpoint without its signature': { ...allSteps, isTrusted: () => true },
  'compares ids, not contents': {
    ...allSteps,
    isSameMember: (member, row) => member.compare(row, 0, 16, 0, 16) === 0,
  },
  'compares leaves, not the ids beside them': {
    ...allSteps,
    isSameMember: (member, row) => member.compare(row, leafOffset, MEMBER_BYTES, leafOffset) === 0,
  },
};
for (const [name, check] of Object.entries(blockChecks))
  mutants[`leaves out ${name}`] = {
    ...allSteps,
    blocks: allSteps.blocks.filter((candidate) => candidate !== check),
  };

describe('a verifier with a defect', () => {
  it.each(Object.keys(mutants))('that %s is caught by the attacks', async (name) => {
    let missed: string | null = null;
    for (const attack of attacks)
      missed ??= (await runAttack(attack, memoryLog(), mutants[name]!)) && attack.name;
    expect(missed).not.toBeNull();
  });
});
