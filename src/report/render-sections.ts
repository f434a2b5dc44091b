/** The sections of a run that have something to show in a medium, those at the head of the document apart. */
import type { Result } from '../sim/result.ts';
import type { Block, Section, SectionSpec } from './blocks.ts';
import type { Medium } from './inline.ts';
import { namedArms } from './rows.ts';
import { blocksFor } from './table-layout.ts';

export interface RenderedSection extends Section {
  readonly id: string;
  readonly blocks: readonly Block[];
}

export function renderSections(
  medium: Exclude<Medium, 'console'>,
  result: Result,
  sections: readonly SectionSpec[],
): { readonly head: RenderedSection[]; readonly body: RenderedSection[] } {
  const run = { result, arms: namedArms(result) };
  const rendered = sections.flatMap(({ id, render }) => {
    const section = render(run);
    if (section === null) return [];
    const blocks = blocksFor(medium, section.blocks);
    return blocks.length === 0 ? [] : [{ ...section, id, blocks }];
  });
  return {
    head: rendered.filter(({ title }) => title === undefined),
    body: rendered.filter(({ title }) => title !== undefined),
  };
}
