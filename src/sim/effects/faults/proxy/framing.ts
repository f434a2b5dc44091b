/** The framing of a new connection, by the protocol of its route. */
import type { Framing, Protocol } from './frames.ts';
import { HttpFraming } from './http-frames.ts';
import { PostgresFraming } from './postgres-frames.ts';
import { RespFraming } from './resp-frames.ts';

export function createFraming(protocol: Protocol): Framing {
  switch (protocol) {
    case 'http':
      return new HttpFraming();
    case 'resp':
      return new RespFraming();
    case 'postgres':
      return new PostgresFraming();
    default:
      return protocol satisfies never;
  }
}
