/** The command as typed, quoted so that it can be pasted into a shell again. */
export function commandLine(argv: readonly string[]): string {
  return ['platform', ...argv.map(quote)].join(' ');
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
