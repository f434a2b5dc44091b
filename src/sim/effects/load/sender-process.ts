/**
 * Entry of the load generator's own process: a busy service cannot delay its clock and it cannot hide its own
 * delays. Speaks sender-protocol.ts over IPC; ends with the channel, so it never outlives its parent.
 */
import { LoadEngine } from './load-engine.ts';
import type { FromSender, ToSender } from './sender-protocol.ts';

let engine: LoadEngine | null = null;

function send(message: FromSender): void {
  if (process.connected) process.send!(message);
}

function onMessage(message: ToSender): void {
  if (message.type === 'init') {
    engine = new LoadEngine(message, { send, fail });
    send({ type: 'ready' });
    return;
  }
  if (engine === null) throw new Error(`${message.type} before init`);
  if (message.type === 'run') engine.run(message);
  else if (message.type === 'phase') engine.phase(message.name);
  else if (message.type === 'users') engine.users(message.count);
  else if (message.type === 'stop') engine.stop(message.graceMs);
  else if (message.type === 'acknowledged') {
    engine.acknowledged(message.question, message.operation);
  } else if (message.type === 'totals') send({ type: 'totals', ...engine.totals() });
  else close(engine, 0);
}

function close(running: LoadEngine, exitCode: number): void {
  engine = null;
  running.close().then(() => {
    send({ type: 'closed' });
    process.exitCode = exitCode;
    process.disconnect?.();
  }, fail);
}

function fail(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  console.error(error);
  if (!process.connected) process.exit(1);
  process.send!({ type: 'fatal', message } satisfies FromSender, () => process.exit(1));
}

process.on('uncaughtException', fail);
process.on('message', onMessage);
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => (engine === null ? process.exit(0) : close(engine, 0)));
