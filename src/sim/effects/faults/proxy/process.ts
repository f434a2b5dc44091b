/**
 * Entry of the fault proxy's process. In a process of its own, its work does not delay the run and the run does not delay
 * its edges. Speaks protocol.ts over IPC; exits when the channel closes, so it never outlives its parent.
 */
import { ProxyEngine } from './engine.ts';
import type { FromProxy, ProxyResult, ToProxy } from './protocol.ts';

let engine: ProxyEngine | null = null;

function send(message: FromProxy): void {
  if (process.connected) process.send!(message);
}

async function execute(message: ToProxy): Promise<ProxyResult> {
  if (message.type === 'init') {
    engine = new ProxyEngine(message.seed, (decision) => send({ type: 'decision', decision }));
    return undefined;
  }
  if (engine === null) throw new Error(`${message.type} before init`);
  switch (message.type) {
    case 'open':
      return await engine.open(message.route);
    case 'apply':
      return void engine.apply(message.target, message.routes, message.rule);
    case 'clear':
      return void engine.clear(message.target);
    case 'retarget':
      return void engine.retarget(message.routes, message.upstream);
    case 'count-bytes':
      return engine.bytesForwarded(message.routes);
    case 'measure':
      return engine.measure(message.target);
    case 'await-commit':
      return void (await engine.waitForCommit(message.timeoutMs));
    default:
      return message satisfies never;
  }
}

function onMessage(message: ToProxy): void {
  const { id } = message;
  execute(message).then(
    (result) => send({ type: 'done', id, result }),
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
