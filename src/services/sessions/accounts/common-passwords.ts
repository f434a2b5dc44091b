/** Reads the list of common passwords, whose source and licence its first lines state. */
import { readFileSync } from 'node:fs';

// Same depth from src/ and from dist/.
const file = new URL(
  '../../../../src/services/sessions/accounts/common-passwords.txt',
  import.meta.url,
);

export const readCommonPasswords = (): ReadonlySet<string> =>
  new Set(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')),
  );
