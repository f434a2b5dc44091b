/** How to get the numbers again: command, machine, noise, and the words a reader may not know. */
import { pairs, type Run, type Section } from '../blocks.ts';
import { byMedium } from '../inline.ts';
import { definitions, environmentRows, noiseText } from '../wording.ts';

export function reproduce({ result, arms }: Run): Section {
  const noise = arms.map(({ name, arm }) => {
    return [byMedium(`noise floor of ${name}`, `noise of ${name}`), noiseText(arm)] as const;
  });
  const environment = pairs([...environmentRows(result), ...noise]);
  const words = pairs(definitions(arms), 'words');
  return {
    id: 'reproduce',
    title: 'Reproduce',
    blocks: [
      { kind: 'code', text: result.command },
      {
        kind: 'columns',
        columns: [
          [{ heading: 'Environment', blocks: [environment] }],
          [{ heading: 'Words', blocks: [words] }],
        ],
      },
    ],
    console: { ending: [pairs([['again', result.command]])] },
  };
}
