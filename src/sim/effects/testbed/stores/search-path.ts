/** A connection string whose sessions find unqualified names in `schema`, then in public (extensions). */
export function withSearchPath(databaseUrl: string, schema: string): string {
  const url = new URL(databaseUrl);
  const options = url.searchParams.get('options');
  const searchPath = `-csearch_path=${schema},public`;
  url.searchParams.set('options', options ? `${options} ${searchPath}` : searchPath);
  return url.toString();
}
