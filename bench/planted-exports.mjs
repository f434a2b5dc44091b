/**
 * What becomes of the exports of one module of dist/services under a defect of a kill matrix. The defects are those of
 * the tests; here each is wrapped around the part that a whole gateway has in its place.
 */
import { setTimeout as delay } from 'node:timers/promises';

const { name, params, addresses } = JSON.parse(process.env.PLATFORM_PROCESS);
const { matrix, id } = params.plant;
const LONGEST_PAUSE_MS = 15;

const fixtures = (file) => import(new URL(`${params.compiled}services/gateway/${file}.js`));
const findIn = (defects) => defects.find((defect) => defect.id === id);

const context = {
  index: Number(name.split('.')[1]) - 1,
  databaseUrl: addresses.database.url,
  shared: new Map(),
  isAlive: () => true,
  pause: async () => {
    if (Math.random() < 0.5) await delay(Math.random() * LONGEST_PAUSE_MS);
  },
  onClose() {},
};

/** A part of the read-through store's options, wrapped if the defect wraps it. */
function sessionStore(defect) {
  const wrap = (sound) => (given) => {
    const here = { ...context, redis: given.sessionRedis };
    const changed = { ...given };
    for (const part of ['db', 'reads', 'cache', 'fence'])
      if (defect[part]) changed[part] = defect[part](given[part] ?? given.db, here);
    const store = sound(changed);
    return defect.store ? defect.store(store, here) : store;
  };
  return { module: 'sessions/read-through-store.js', exports: { createReadThroughStore: wrap } };
}

const wrappedBy = (module, create, wrap) => ({
  module,
  exports: { [create]: (sound) => (given) => wrap(sound(given), given) },
});

/**
 * Defects that a whole gateway needs in other places than the matrix: it refuses a login in two, of which the matrix has
 * the inner one, and it did not issue the tokens of seeded sessions.
 */
const inWholeGateway = {
  'secret-not-compared': {
    module: 'secret-token.js',
    exports: { hashesEqual: () => () => true },
  },
  'any-password': wrappedBy('sessions/hashing/password.js', 'createPasswords', (passwords) => ({
    ...passwords,
    async verify(...given) {
      await passwords.verify(...given);
      return true;
    },
  })),
  'disabled-logs-in': {
    module: 'gateway/services.js',
    exports: {
      createServices: (sound) => (design, resources, observer) =>
        sound(design, { ...resources, db: withDisabledUsers(resources.db) }, observer),
    },
  },
};

function withDisabledUsers(db) {
  const edit = (statement) => ({
    ...statement,
    text: statement.text
      .replace('CASE WHEN disabled_at IS NULL THEN password_hash END', 'password_hash')
      .replace('($3 OR disabled_at IS NULL)', '($3 OR true)'),
  });
  const edited = (of) => ({ ...of, query: (statement) => of.query(edit(statement)) });
  return { ...edited(db), transaction: (work) => db.transaction((tx) => work(edited(tx))) };
}

/** Every event on its way into the log. */
function auditInsert(change) {
  return wrappedBy('audit/writers/insert.js', 'createAuditInsert', (insert) => ({
    ...insert,
    many: (events) => insert.many(events.map(change).filter((event) => event !== null)),
    async inTransaction(tx, event) {
      const changed = change(event);
      if (changed !== null) await insert.inTransaction(tx, changed);
    },
  }));
}

const matrices = {
  async sessions() {
    if (Object.hasOwn(inWholeGateway, id)) return inWholeGateway[id];
    const defect = findIn((await fixtures('fixtures/session-defects')).sessionDefects);
    if (defect?.limits)
      return wrappedBy('rate-limit/store.js', 'createLimitStore', (store) =>
        defect.limits(store, context),
      );
    if (defect?.fenceDb)
      return {
        module: 'sessions/fence.js',
        exports: {
          createFence: (sound) => (given) =>
            sound({ ...given, db: defect.fenceDb(given.db, context) }),
        },
      };
    return defect && sessionStore(defect);
  },
  async 'audit-fields'() {
    const defect = findIn((await fixtures('audit/fixtures/audit-field-defects')).fieldDefects);
    return defect?.event && auditInsert(defect.event());
  },
  async 'audit-denials'() {
    const defect = findIn((await fixtures('audit/fixtures/audit-denial-defects')).denialDefects);
    return defect && auditInsert(defect.event());
  },
  async audit() {
    const defect = findIn((await fixtures('audit/fixtures/audit-record-defects')).recordDefects);
    const { event, insert, writer } = defect?.parts?.() ?? {};
    if (event) return auditInsert(event);
    if (insert) return wrappedBy('audit/writers/insert.js', 'createAuditInsert', insert);
    return writer && wrappedBy('audit/writers/group-commit.js', 'createGroupCommit', writer);
  },
  async 'limit-levels'() {
    const { limitPlants } = await import('../src/services/gateway/fixtures/limit-plants.mjs');
    return limitPlants[id];
  },
};

export const planted = await matrices[matrix]?.();
if (!planted) throw new Error(`nothing of '${matrix}' that a whole gateway can have is '${id}'`);
