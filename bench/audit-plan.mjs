/** The plan of a statement as PostgreSQL runs it: what was scanned, in which months, and how many pages it took. */

/**
 * @typedef {import('../dist/services/ports.js').Database} Database
 * @typedef {import('../dist/services/ports.js').Statement} Statement
 * @typedef {{ months: string[], indexes: string[], others: string[], blocks: number, planMs: number }} Plan
 */

/**
 * A named statement is looked at twice: planned for its values, and planned once for all.
 * @param {Database} db one connection
 * @param {Statement} statement
 * @returns {Promise<Plan[]>}
 */
export async function plansOf(db, { name, text, values = [] }) {
  const modes =
    name === undefined ? ['force_custom_plan'] : ['force_custom_plan', 'force_generic_plan'];
  const plans = [];
  for (const mode of modes) {
    await db.query({ text: `SET plan_cache_mode = ${mode}` });
    await db.query({ text: `PREPARE looked_at AS ${text}` });
    const given = values.length === 0 ? '' : `(${values.map(literal).join(', ')})`;
    const rows = await db.query({
      text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE looked_at${given}`,
    });
    await db.query({ text: 'DEALLOCATE looked_at' });
    plans.push(planOf(/** @type {any} */ (rows[0])['QUERY PLAN'][0]));
  }
  await db.query({ text: 'RESET plan_cache_mode' });
  return plans;
}

const literal = (/** @type {unknown} */ value) =>
  value === null ? 'NULL' : `'${String(value).replaceAll("'", "''")}'`;

/** @param {any} explained @returns {Plan} */
function planOf(explained) {
  /** @type {Plan} */
  const plan = {
    ...{ months: [], indexes: [], others: [] },
    blocks: explained.Plan['Shared Hit Blocks'] + explained.Plan['Shared Read Blocks'],
    planMs: explained['Planning Time'],
  };
  const visit = (/** @type {any} */ node) => {
    const kind = node['Node Type'];
    if (node['Actual Loops'] > 0 && /Scan$/.test(kind) && node['Relation Name'] !== undefined) {
      plan.months.push(node['Relation Name'].slice(-7));
      if (/^Index (Only )?Scan$/.test(kind)) plan.indexes.push(node['Index Name']);
      else plan.others.push(`${kind} on ${node['Relation Name']}`);
    }
    if (node['Actual Loops'] > 0 && /Sort$/.test(kind)) plan.others.push(kind);
    for (const child of node.Plans ?? []) visit(child);
  };
  visit(explained.Plan);
  return plan;
}
