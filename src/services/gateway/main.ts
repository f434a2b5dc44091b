/**
 * The gateway as a process. Configuration in PLATFORM_PROCESS; params: design, host, port, logLevel, drainMs,
 * trustedProxies (whose X-Forwarded-For is believed), limitWindowMs (instead of the design's), evidence (1: limited
 * answers say what was decided).
 *
 * Says {type:'ready', url} over IPC, or prints the url when there is no parent. SIGTERM: readiness off, listener
 * closed after `drainMs`, requests in flight finished (5 s at most), audit flushed, exit 0. Goes when its parent goes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { prepareStorage } from '../audit/storage.ts';
import type { Design } from '../design.ts';
import { findDesign } from '../lineage.ts';
import { ServiceError } from '../ports.ts';
import { createGateway, type Gateway, loopback } from './app.ts';
import { openAuditState } from './audit-services.ts';
import { findServiceRole, openConnection } from './clients.ts';
import { withLimitWindow } from './limit-window.ts';
import { createMetrics } from './metrics.ts';
import { parseProcessConfig, readParams } from './process-config.ts';
import { createServices, type Services } from './services.ts';
import { openStores } from './stores.ts';
import { systemClock, systemRandom } from './system.ts';

const finishLimitMs = 5_000;
const maintenanceIntervalMs = 86_400_000;

const report = (where: string, error: Error) => {
  const cause = error.cause instanceof Error ? ` <- ${error.cause.message}` : '';
  // What was foreseen needs no stack.
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

  // Named first when PostgreSQL is not there: everything below needs it.
  const role = await findServiceRole(config.databaseUrl);
  await prepareMonths(config.databaseUrl, design);
  const stores = openStores({
    ...config,
    role,
    design,
    observeWaitSeconds: (seconds) => metrics.poolWaited(seconds),
    report,
  });
  const metrics = createMetrics({
    auditDepth: (): number => services.audit?.writer.depth() ?? 0,
    isSequencing: (): boolean => services.audit?.isSequencing() ?? false,
    poolWaiting: stores.db.waiting,
  });
  const resources = {
    ...stores,
    name: config.name,
    keyPrefix: config.redisPrefix,
    clock: systemClock,
    random: systemRandom,
    auditState: await openAuditState({ ...config, design }),
  };
  const services: Services = createServices(design, resources, {
    audit: { ...metrics.audit, report: (error) => report('audit', error) },
    sessions: { ...metrics.sessions, report: (error) => report('sessions', error) },
    limiter: { ...metrics.limiter, report: (error) => report('limiter', error) },
  });

  // One after the other: of two that fail, the first is named. Redis may be down at this moment; what needs it says
  // so when asked.
  await services.sessions.start();
  await services.limits.start();
  services.audit?.start();
  const maintenance = setInterval(() => {
    prepareMonths(config.databaseUrl, design).catch((error) => report('maintenance', error));
  }, maintenanceIntervalMs);
  maintenance.unref();

  const gateway = await createGateway({
    design,
    resources,
    services,
    metrics,
    report,
    trustedProxies: params.strings('trustedProxies', loopback),
    evidence: params.integer('evidence', 0) === 1,
    ...(logLevel === 'off' ? {} : { logLevel }),
  });
  const url = await gateway.app.listen({
    host: params.string('host', '127.0.0.1'),
    port: params.integer('port', 0),
  });

  const stop = async () => {
    gateway.drain();
    await delay(params.integer('drainMs', 200));
    await finishRequests(gateway);
    await services.audit?.close();
    await services.limits.close();
    await services.sessions.close();
    services.passwords.close();
    metrics.close();
    await stores.close();
    process.exit(0);
  };
  return { url, stop };
}

/** As the owner of the tables: the role of the service makes none. */
async function prepareMonths(databaseUrl: string, design: Design): Promise<void> {
  const db = await openConnection(databaseUrl);
  try {
    await prepareStorage(db, { clock: systemClock, storage: design.audit.storage });
  } finally {
    await db.close();
  }
}

async function finishRequests({ app }: Gateway): Promise<void> {
  // Kept-alive connections of clients whose last request was still running when the listener closed.
  const sweep = setInterval(() => app.server.closeIdleConnections(), 20);
  const cut = setTimeout(() => app.server.closeAllConnections(), finishLimitMs);
  await app.close();
  clearInterval(sweep);
  clearTimeout(cut);
}

try {
  const { url, stop } = await start();
  let stopping = false;
  const stopOnce = () => {
    if (stopping) return;
    stopping = true;
    // Whatever hangs, the process ends: after the requests, the writer and the sequencer had their time.
    setTimeout(() => process.exit(1), finishLimitMs + 6_000).unref();
    stop().catch((error) => {
      report('shutdown', error);
      process.exit(1);
    });
  };
  process.once('SIGTERM', stopOnce);
  process.once('SIGINT', stopOnce);
  process.once('disconnect', stopOnce);
  if (process.send) process.send({ type: 'ready', url });
  else process.stdout.write(`${url}\n`);
} catch (error) {
  report('start', error as Error);
  process.exit(1);
}
