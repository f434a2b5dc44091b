/**
 * The gateway as a process. Configuration in PLATFORM_PROCESS; params: design, host, port, logLevel, drainMs,
 * trustedProxies (whose X-Forwarded-For is trusted), forwardedField (`forwarded`: they write Forwarded instead),
 * publicOrigins (of our pages; default: whatever Host says), limitWindowMs (instead of the design's), evidence (1: limited
 * responses say what was decided).
 *
 * operationsHost and operationsPort are of the listener for operators (operations.ts), by default loopback and any port.
 *
 * Sends {type:'ready', url, operationsUrl} over IPC, or prints the urls when there is no parent. SIGTERM: /readyz off, listener closed
 * after `drainMs`, requests in flight finished (5 s at most), audit flushed, exit 0. Exits when its parent exits.
 */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareStorage } from '../audit/storage.ts';
import type { Design } from '../design.ts';
import { findDesign } from '../lineage.ts';
import { ServiceError } from '../ports.ts';
import { openSecretKey } from '../secret-file.ts';
import { openAuditState } from './audit/audit-services.ts';
import { openConnection } from './clients.ts';
import { createGateway, type Gateway, loopback } from './http/app.ts';
import { DEVICE_KEY_BYTES } from './http/device-cookie.ts';
import type { ForwardedField } from './http/forwarded.ts';
import { withLimitWindow } from './limits/limit-window.ts';
import { createMetrics } from './metrics.ts';
import { ConfigError, parseProcessConfig, readParams } from './process-config.ts';
import { createServices, type Services } from './services.ts';
import { openSessionKey } from './session-key.ts';
import { openStores } from './stores.ts';
import { systemClock, systemRandom } from './system.ts';

const FINISH_TIMEOUT_MS = 5_000;
const MAINTENANCE_INTERVAL_MS = 86_400_000;

const report = (where: string, error: Error) => {
  const cause = error.cause instanceof Error ? ` <- ${error.cause.message}` : '';
  // A ServiceError is an expected failure, so its stack is not printed.
  const text = error instanceof ServiceError ? error.message : (error.stack ?? error.message);
  process.stderr.write(`${where} ${text}${cause}\n`);
};

async function start() {
  const config = parseProcessConfig(process.env.PLATFORM_PROCESS);
  const params = readParams(config.params, 'params');
  const design = withLimitWindow(
    findDesign(params.string('design')),
    params.integer('limitWindowMs', 0),
  );
  const logLevel = params.string('logLevel', 'off');

  // First, so that an unreachable PostgreSQL is reported as such: everything below needs it.
  await preparePartitions(config.databaseUrl, design);
  const stores = openStores({
    ...config,
    design,
    observeWaitSeconds: (seconds) => metrics.observePoolWait(seconds),
    onConnectionLost: (store) => metrics.countLostConnection(store),
    report,
  });
  const metrics = createMetrics({
    auditDepth: (): number => services.audit?.writer.depth() ?? 0,
    isSequencing: (): boolean => services.audit?.isSequencing() ?? false,
    pools: stores.pools,
  });
  const resources = {
    ...stores,
    name: config.name,
    keyPrefix: config.redisPrefix,
    clock: systemClock,
    random: systemRandom,
    sessionKey: await openSessionKey(config.stateDirectory),
    auditState: await openAuditState({ ...config, design }),
  };
  const services: Services = createServices(design, resources, {
    audit: { ...metrics.audit, report: (error) => report('audit', error) },
    sessions: { ...metrics.sessions, onError: (error) => report('sessions', error) },
    limiter: { ...metrics.limiter, onError: (error) => report('limiter', error) },
  });

  // In sequence, so that the first failure is reported. Redis may be down: services that need it fail per request.
  await services.sessions.start();
  await services.limits.start();
  services.audit?.start();
  const maintenance = setInterval(() => {
    preparePartitions(config.databaseUrl, design).catch((error) => report('maintenance', error));
  }, MAINTENANCE_INTERVAL_MS);
  maintenance.unref();

  const gateway = await createGateway({
    design,
    resources,
    services,
    metrics,
    report,
    trustedProxies: params.strings('trustedProxies', loopback),
    forwardedField: readForwardedField(params.string('forwardedField', 'x-forwarded-for')),
    publicOrigins: params.strings('publicOrigins', []),
    evidence: params.integer('evidence', 0) === 1,
    deviceKey: await openDeviceKey(config.stateDirectory),
    ...(logLevel === 'off' ? {} : { logLevel }),
  });
  const url = await gateway.app.listen({
    host: params.string('host', '127.0.0.1'),
    port: params.integer('port', 0),
  });

  const operationsUrl = await gateway.operations.listen({
    host: params.string('operationsHost', '127.0.0.1'),
    port: params.integer('operationsPort', 0),
  });

  const stop = async () => {
    gateway.drain();
    await delay(params.integer('drainMs', 200));
    await finishRequests(gateway);
    await gateway.operations.close();
    await services.audit?.close();
    await services.limits.close();
    await services.sessions.close();
    services.passwords.close();
    metrics.close();
    await stores.close();
    process.exit(0);
  };
  return { url, operationsUrl, stop };
}

/** Without a directory that processes share, a device is known to this one only, and until it ends. */
const openDeviceKey = async (directory: string): Promise<Buffer> =>
  directory === ''
    ? systemRandom.bytes(DEVICE_KEY_BYTES)
    : openSecretKey(path.join(directory, 'device.key'));

function readForwardedField(text: string): ForwardedField {
  if (text === 'x-forwarded-for' || text === 'forwarded') return text;
  throw new ConfigError(`params.forwardedField must be x-forwarded-for or forwarded, not ${text}`);
}

/** By a function that runs with its owner's rights, because the role of the gateway must not create tables. */
async function preparePartitions(databaseUrl: string, design: Design): Promise<void> {
  const db = await openConnection(databaseUrl);
  try {
    await prepareStorage(db, { clock: systemClock, storage: design.audit.storage });
  } finally {
    await db.close();
  }
}

async function finishRequests({ app }: Gateway): Promise<void> {
  // Keep-alive connections become idle when the requests that were running at the close end.
  const sweep = setInterval(() => app.server.closeIdleConnections(), 20);
  const deadline = setTimeout(() => app.server.closeAllConnections(), FINISH_TIMEOUT_MS);
  await app.close();
  clearInterval(sweep);
  clearTimeout(deadline);
}

try {
  const { url, operationsUrl, stop } = await start();
  let isStopping = false;
  const stopOnce = () => {
    if (isStopping) return;
    isStopping = true;
    // The process ends even if the stop hangs: 6 s are for the audit writer and the sequencer.
    setTimeout(() => process.exit(1), FINISH_TIMEOUT_MS + 6_000).unref();
    stop().catch((error) => {
      report('shutdown', error);
      process.exit(1);
    });
  };
  process.once('SIGTERM', stopOnce);
  process.once('SIGINT', stopOnce);
  process.once('disconnect', stopOnce);
  if (process.send) process.send({ type: 'ready', url, operationsUrl });
  else process.stdout.write(`${url}\n${operationsUrl}\n`);
} catch (error) {
  report('start', error as Error);
  process.exit(1);
}
