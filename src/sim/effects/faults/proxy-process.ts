/**
 * Entry of the fault proxy's own process: its work cannot delay the run, and the run cannot delay its links.
 * Speaks proxy-protocol.ts over IPC; ends with the channel, so it never outlives its parent.
 */
import { ProxyEngine } from './proxy-engine.ts';
import type { FromProxy, ToProxy } from './proxy-protocol.ts';

let engine: ProxyEngine | null = null;

function send(message: FromProxy): void {
  if (process.connected) process.send!(message);
}

async function answer(message: ToProxy): Promise<number | undefined> {
  if (message.type === 'init') {
    engine = new ProxyEngine(message.seed, (decision) => send({ type: 'decision', decision }));
    return undefined;
  }
  if (engine === null) throw new Error(`${message.type} before init`);
  switch (message.type) {
    case 'open':
      return await engine.open(message.route);
    case 'apply':
      engine.apply(message.filter, message.rule);
      return undefined;
    case 'clear':
      engine.clear(message.filter);
      return undefined;
    case 'await-commit':
      await engine.awaitCommit(message.timeoutMs);
      return undefined;
    default:
      return message satisfies never;
  }
}

function onMessage(message: ToProxy): void {
  const { id } = message;
  answer(message).then(
    (port) => send({ type: 'done', id, ...(port === undefined ? {} : { port }) }),
    (error: Error) => send({ type: 'failed', id, message: error.message }),
  );
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  console.error(error);
  if (!process.connected) process.exit(1);
  process.send!({ type: 'fatal', message } satisfies FromProxy, () => process.exit(1));
}

function stop(): void {
  engine?.close();
  process.exit(0);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('message', onMessage);
process.on('disconnect', stop);
process.on('SIGTERM', stop);
