/** How to get the numbers again: command, machine, noise, and the words a reader may not know. */
import type { Pair, SectionSpec } from '../blocks.ts';
import { byMedium } from '../inline.ts';
import { definitions, environmentRows, noiseText } from '../wording.ts';

export const reproduce: SectionSpec = {
  id: 'reproduce',
  render: ({ result, arms }) => {
    const environment = environmentRows(result).map(
      ([label, content]): Pair => ({ label, content }),
    );
    const noise = arms.map(
      ({ name, arm }): Pair => ({
        label: byMedium({ html: `noise floor of ${name}`, markdown: `noise of ${name}` }),
        content: noiseText(arm),
      }),
    );
    const words = definitions(arms).map(([label, content]): Pair => ({ label, content }));
    return {
      title: 'Reproduce',
      blocks: [
        { kind: 'code', text: result.command },
        {
          kind: 'columns',
          columns: [
            [
              {
                heading: 'Environment',
                blocks: [{ kind: 'pairs', pairs: [...environment, ...noise] }],
              },
            ],
            [{ heading: 'Words', blocks: [{ kind: 'pairs', style: 'words', pairs: words }] }],
          ],
        },
      ],
      console: {
        ending: [{ kind: 'pairs', pairs: [{ label: 'again', content: result.command }] }],
      },
    };
  },
};
