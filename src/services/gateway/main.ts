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
import { findDesign } from '../lineage.ts';
import { ServiceError } from '../ports.ts';
import { createGateway, type Gateway, loopback } from './app.ts';
import { openStores } from './clients.ts';
import { withLimitWindow } from './limit-window.ts';
import { createMetrics } from './metrics.ts';
import { parseProcessConfig, readParams } from './process-config.ts';
import { createServices, type Services } from './services.ts';
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

  const stores = openStores({
    ...config,
    design,
    observeWaitSeconds: (seconds) => metrics.poolWaited(seconds),
    report,
  });
  const { db } = stores;
  const metrics = createMetrics({
    auditDepth: (): number => services.audit.depth(),
    poolWaiting: db.waiting,
  });
  const resources = {
    ...stores,
    name: config.name,
    keyPrefix: config.redisPrefix,
    clock: systemClock,
    random: systemRandom,
  };
  const services: Services = createServices(design, resources, {
    flushed: metrics.auditFlushed,
    cache: metrics.activityCache,
    sessions: { ...metrics.sessions, report: (error) => report('sessions', error) },
    limiter: { ...metrics.limiter, report: (error) => report('limiter', error) },
  });

  const storage = { clock: systemClock, storage: design.audit.storage };
  // One after the other: of two that fail, the first is named. Redis may be down at this moment; what needs it says
  // so when asked.
  await prepareStorage(db, storage);
  await services.sessions.start();
  await services.limits.start();
  const maintenance = setInterval(() => {
    prepareStorage(db, storage).catch((error) => report('maintenance', error));
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
    await services.audit.close();
    await services.limits.close();
    await services.sessions.close();
    services.passwords.close();
    metrics.close();
    await stores.close();
    process.exit(0);
  };
  return { url, stop };
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
    // Whatever hangs, the process ends.
    setTimeout(() => process.exit(1), finishLimitMs + 3_000).unref();
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
