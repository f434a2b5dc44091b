/**
 * Entry of the load generator's process. In a process of its own, the run does not delay its timers, and its send lag is
 * measured. Speaks sender-protocol.ts over IPC; exits when the channel closes, so it never outlives its parent.
 */
import type { AutocannonEngine } from '../external/autocannon-engine.ts';
import { LoadEngine } from './load-engine.ts';
import type { FromSender, SenderInit, ToSender } from './sender-protocol.ts';

type Engine = LoadEngine | AutocannonEngine;

let engine: Engine | null = null;

function send(message: FromSender): void {
  if (process.connected) process.send!(message);
}

/** Other clients are imported on demand, so that the default starts fast and stays small. */
async function startEngine(init: SenderInit): Promise<Engine> {
  const owner = { send, fail };
  if (init.load === 'autocannon') {
    const { AutocannonEngine } = await import('../external/autocannon-engine.ts');
    return new AutocannonEngine(init, owner);
  }
  if (init.load !== 'undici') return new LoadEngine(init, owner);
  const { UndiciTransport } = await import('../http/undici-transport.ts');
  return new LoadEngine(init, owner, (options) => new UndiciTransport(options));
}

function onMessage(message: ToSender): void {
  if (message.type === 'init') {
    startEngine(message).then((started) => {
      engine = started;
      send({ type: 'ready' });
    }, fail);
    return;
  }
  if (engine === null) throw new Error(`${message.type} before init`);
  if (message.type === 'run') engine.run(message);
  else if (message.type === 'phase') engine.phase(message.name);
  else if (message.type === 'users') engine.users(message.count);
  else if (message.type === 'stop') engine.stop(message.graceMs);
  else if (message.type === 'acknowledged') {
    engine.acknowledged(message.waiterId, message.operation);
  } else if (message.type === 'totals') send({ type: 'totals', ...engine.totals() });
  else close(engine, 0);
}

function close(running: Engine, exitCode: number): void {
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
