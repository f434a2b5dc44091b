/** How to repeat the run: command, machine, noise, glossary. */
import { pairs, type ReportInput, type Section } from '../blocks.ts';
import { byMedium } from '../inline.ts';
import { environmentRows, formatNoise, glossaryOf } from '../wording.ts';

export function reproduce({ result, arms }: ReportInput): Section {
  const noise = arms.map(({ name, arm }) => {
    return [byMedium(`noise floor of ${name}`, `noise of ${name}`), formatNoise(arm)] as const;
  });
  const environment = pairs([...environmentRows(result), ...noise]);
  const words = pairs(glossaryOf(arms), 'words');
  return {
    id: 'reproduce',
    title: 'Reproduce',
    blocks: [
      { kind: 'code', text: result.command },
      {
        kind: 'columns',
        columns: [
          [{ heading: 'Environment', blocks: [environment] }],
          [{ heading: 'Glossary', blocks: [words] }],
        ],
      },
    ],
    console: { ending: [pairs([['repeat', result.command]])] },
  };
}
