/**
 * Parses a rendered request for clients that take its parts. All generators use one renderer, so all of them send the same
 * request.
 */
export interface WireRequest {
  readonly method: string;
  readonly path: string;
  /** In order, names in lower case; without those a client writes itself. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

const WRITTEN_BY_CLIENTS = new Set(['host', 'content-length']);

export function parseRequest(wire: string): WireRequest {
  const end = wire.indexOf('\r\n\r\n');
  const [first = '', ...lines] = wire.slice(0, end).split('\r\n');
  const [method = '', path = ''] = first.split(' ');
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (!WRITTEN_BY_CLIENTS.has(name)) headers[name] = line.slice(colon + 1).trim();
  }
  const body = wire.slice(end + 4);
  return { method, path, headers, body: body === '' ? null : body };
}
