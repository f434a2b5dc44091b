/** The command as typed, quoted for a shell. */
export function formatCommand(argv: readonly string[]): string {
  return ['platform', ...argv.map(quote)].join(' ');
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
