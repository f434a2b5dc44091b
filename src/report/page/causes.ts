/** Why: what the processes spent, and what the database's own instruments say. */
import type { Diagnosis } from '../../sim/result.ts';
import { cpuChart, processNames, sharedCpuScale } from '../charts/cpu.ts';
import { seriesRole } from '../charts/palette.ts';
import {
  bound,
  bytesText,
  countText,
  durationText,
  oneLine,
  percentText,
  ratioText,
} from '../format.ts';
import { isPhased, type NamedArm } from '../rows.ts';
import { html, raw } from './markup.ts';
import {
  armColumns,
  type Content,
  dataTable,
  legend,
  pairs,
  paragraph,
  perArm,
  type Section,
} from './parts.ts';

export function resourceSection(arms: readonly NamedArm[]): Section | null {
  const processes = processNames(arms);
  if (processes.length === 0) return null;
  const scale = sharedCpuScale(arms);
  const items = processes.map(
    (name, index) => ({ role: seriesRole(index), text: oneLine(name) }) as const,
  );
  const counted = isPhased(arms) ? 'phase in which costs are counted' : 'judged phases';
  return {
    id: 'resources',
    title: 'Resources',
    body: html`${paragraph(`CPU in percent of one core: 100 % is one core full. The table is of the ${counted}.`)}
${legend(items)}${perArm(arms, (named) => cpuChart(named, { scale, processes }))}
${arms.length > 2 ? resourceMatrix(arms, processes) : resourceTable(arms, processes)}`,
  };
}

function resourceTable(arms: readonly NamedArm[], processes: readonly string[]): Content {
  const columns = [
    { title: 'Process' },
    { title: 'Arm' },
    { title: 'CPU', numeric: true },
    { title: 'CPU per operation', numeric: true },
    { title: 'Memory', numeric: true },
    { title: 'Cores', numeric: true },
  ];
  const rows = processes.flatMap((process) =>
    arms.flatMap(({ name, arm }) => {
      const used = arm.resources[process];
      if (used === undefined) return [];
      return [
        [
          process,
          name,
          percentText(used.cpuPercent),
          durationText(used.cpuUsPerOperation),
          bytesText(used.rssBytes),
          used.cores,
        ],
      ];
    }),
  );
  return rows.length > 0 && dataTable('Resources by process', columns, rows);
}

/** One row a process: three arms of many processes would be a page of rows. */
function resourceMatrix(arms: readonly NamedArm[], processes: readonly string[]): Content {
  const rows = processes.map((process) => [
    process,
    ...arms.map(({ arm }) => {
      const used = arm.resources[process];
      if (used === undefined) return null;
      const { cpuPercent, cpuUsPerOperation, rssBytes, cores } = used;
      const each = `${durationText(cpuUsPerOperation)} per operation`;
      return html`<span class="value cell">${percentText(cpuPercent)}</span><span class="muted nowrap">${each}</span><span class="under">${bytesText(rssBytes)}${cores !== 'any' && `, core ${cores}`}</span>`;
    }),
  ]);
  return dataTable('Resources by process', [{ title: 'Process' }, ...armColumns(arms)], rows);
}

export function diagnosisSection(arms: readonly NamedArm[]): Section | null {
  const found = arms.filter(({ arm }) => arm.diagnosis !== null);
  if (found.length === 0) return null;
  return {
    id: 'diagnosis',
    title: 'Diagnosis',
    body: html`${found.map(({ name, arm }) => oneDiagnosis(name, arm.diagnosis!))}`,
  };
}

function oneDiagnosis(name: string, diagnosis: Diagnosis): Content {
  const delays: [string, string][] = [];
  if (diagnosis.poolWaitP99Us !== null) {
    delays.push(['wait for a pooled connection, p99', durationText(diagnosis.poolWaitP99Us)]);
  }
  if (diagnosis.eventLoopDelayP99Us !== null) {
    delays.push(['event loop delay, p99', durationText(diagnosis.eventLoopDelayP99Us)]);
  }
  return html`<p class="big"><b class="${name}-ink">${name}</b> ${bound(diagnosis.finding)}</p>
${diagnosis.queries.length > 0 && queryTable(diagnosis)}
${planDetails(diagnosis)}
<div class="facts" style="margin-top:28px">
${diagnosis.waits.length > 0 && html`<div><h3>What busy backends did</h3>${waitTable(diagnosis)}</div>`}
<div>${diagnosis.ruledOut.length > 0 && html`<h3>Ruled out</h3>${pairs(diagnosis.ruledOut.map(({ cause, evidence }) => [cause, bound(evidence)]))}`}
${delays.length > 0 && html`<h3 style="margin-top:20px">Waiting in the service</h3>${pairs(delays)}`}</div>
</div>`;
}

function queryTable(diagnosis: Diagnosis): Content {
  const columns = [
    { title: 'Statement' },
    { title: 'Share of statement time' },
    { title: 'Calls', numeric: true },
    { title: 'Mean', numeric: true },
    { title: 'Rows per call', numeric: true },
  ];
  const rows = diagnosis.queries.map((query) => [
    html`<code class="statement">${query.query}</code>${query.culprit && html`<span class="tag">culprit</span>`}`,
    html`<span class="nowrap">${bar(query.share, query.culprit)}${ratioText(query.share)}</span>`,
    countText(query.calls),
    durationText(query.meanMs * 1_000),
    countText(query.rowsPerCall),
  ]);
  return dataTable('Statements by time', columns, rows);
}

function planDetails({ plan }: Diagnosis): Content {
  if (plan === null) return null;
  return html`<details open><summary>Plan of the top statement: <b>${plan.node}</b>, ${countText(plan.rowsRemoved)} rows read and thrown away on each call</summary><pre tabindex="0">${plan.text}</pre></details>`;
}

function waitTable(diagnosis: Diagnosis): Content {
  const columns = [
    { title: 'Event' },
    { title: 'Share of samples' },
    { title: 'Samples', numeric: true },
  ];
  const rows = diagnosis.waits.map(({ event, share, samples }) => [
    event,
    html`<span class="nowrap">${bar(share, false)}${ratioText(share)}</span>`,
    countText(samples),
  ]);
  return dataTable('Wait events', columns, rows);
}

function bar(share: number, isCulprit: boolean): Content {
  const percent = Math.max(0, Math.min(100, share * 100)).toFixed(1);
  return raw(
    `<span class="bar${isCulprit ? ' culprit' : ''}"><i style="width:${percent}%"></i></span>`,
  );
}
