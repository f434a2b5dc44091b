/**
 * Entry of a receiver's process: in a process of its own, a burst of requests does not delay the run. Configured by
 * process-contract.ts, controlled over IPC (receiver-protocol.ts); exits when the channel closes.
 */
import { fstatSync, openSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { ProcessConfig, ReadyMessage } from '../process-contract.ts';
import type { BehavioursApplied, ReceiverParams, SetBehaviours } from './receiver-protocol.ts';
import { ReceiverServer } from './receiver-server.ts';

const BACKLOG = 4_096;

const config = JSON.parse(process.env.PLATFORM_PROCESS ?? '') as ProcessConfig;
const { port, endpoints, arrivals } = config.params as unknown as ReceiverParams;
const file = openSync(arrivals, 'a', 0o600);
const receiver = new ReceiverServer({
  node: config.name,
  endpoints,
  file,
  logBytes: fstatSync(file).size,
});

function send(message: ReadyMessage | BehavioursApplied): void {
  if (process.connected) process.send!(message);
}

process.on('message', (message: SetBehaviours) => {
  receiver.set(message.endpoints);
  send({ type: 'set', id: message.id });
});
function stop(): void {
  receiver.close();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('disconnect', stop);

receiver.http.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, () => {
  const address = receiver.http.address() as AddressInfo;
  send({ type: 'ready', url: `http://127.0.0.1:${address.port}` });
});
