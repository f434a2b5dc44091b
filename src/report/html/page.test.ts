import { describe, expect, it } from 'vitest';
import type { ArmResult } from '../../sim/result.ts';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from '../fixtures/edge-results.ts';
import { turn1Result } from '../fixtures/turn1-result.ts';
import { turn4Result } from '../fixtures/turn4-result.ts';
import { renderHtml as renderAnew } from './page.ts';

/** The same result is the same page, which a test of its own shows; its charts are drawn once. */
const pages = new WeakMap<object, string>();
function renderHtml(result: Parameters<typeof renderAnew>[0]): string {
  const page = pages.get(result) ?? renderAnew(result);
  pages.set(result, page);
  return page;
}

const sections = (page: string) =>
  [...page.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);
const ids = (page: string) => [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id!);

describe('renderHtml', () => {
  const all = { turn1Result, turn4Result, abortedResult, emptyResult, brokenResult, hostileResult };

  it.each(Object.entries(all))(
    'is one small file without script or request: %s',
    (_name, result) => {
      const page = renderHtml(result);
      expect(Buffer.byteLength(page)).toBeLessThan(500_000);
      expect(page).not.toMatch(/<(?:script|img|iframe|link|object|embed|base|form)\b/i);
      expect(page).not.toMatch(/\s(?:src|srcset|action|data)\s*=\s*"/i);
      expect(page).not.toMatch(/\shref="(?!#)/i);
      expect(page).not.toMatch(/@import|url\((?!#)/i);
      expect(page).not.toMatch(/<[^>]+\son\w+\s*=/i);
    },
  );

  it.each(Object.entries(all))(
    'gives the same bytes every time, and every id once: %s',
    (_name, result) => {
      const page = renderHtml(result);
      expect(renderAnew(result)).toBe(page);
      expect(new Set(ids(page)).size).toBe(ids(page).length);
      for (const [, id] of page.matchAll(/url\(#([^)]+)\)/g)) expect(ids(page)).toContain(id);
      for (const [, id] of page.matchAll(/href="#([^"]+)"/g)) expect(ids(page)).toContain(id);
      expect(page).not.toMatch(/zr\d|ecmeta|#0a0b|NaN|undefined|\[object/);
    },
  );

  it('has every section of a full run, in reading order', () => {
    expect(sections(renderHtml(turn4Result))).toEqual([
      'slos',
      'documented',
      'invariants',
      'spectrum',
      'timeline',
      'heat',
      'errors',
      'capacity',
      'resources',
      'diagnosis',
      'validity',
      'calibration',
      'reproduce',
    ]);
  });

  it('has the sections of a drill, and none of an incident', () => {
    expect(sections(renderHtml(turn1Result))).toEqual([
      'slos',
      'invariants',
      'costs',
      'spectrum',
      'timeline',
      'phases',
      'faults',
      'heat',
      'errors',
      'resources',
      'validity',
      'reproduce',
    ]);
  });

  it('leads with latency and CPU where an incident is documented, whatever the checkers measured', () => {
    const figures = [
      { id: 'lost', label: 'acknowledged, but not recorded', value: 0, unit: 'count' },
    ] as const;
    const { before, after } = turn4Result.arms;
    const withFigures = (arm: ArmResult): ArmResult => ({
      ...arm,
      invariants: arm.invariants.map((one) => ({ ...one, figures })),
    });
    const arms = { before: withFigures(before!), after: withFigures(after!) };
    const page = renderHtml({ ...turn4Result, arms });
    const header = page.slice(page.indexOf('<header>'), page.indexOf('</header>'));
    expect(header).toContain('p99 response time');
    expect(header).not.toContain('not recorded');
  });

  it("begins with the checkers' figures for each arm", () => {
    const page = renderHtml(turn1Result);
    const header = page.slice(page.indexOf('<header>'), page.indexOf('</header>'));
    expect(header).toMatch(/Accepted after an acknowledged logout.*>0<.*>2,912<.*>0</);
    expect(header).toMatch(/Longest revocation lag.*>41\.2 s</);
    expect(header).toMatch(/SQL statements per operation.*>2\.04</);
  });

  it('shows a drill that ended early up to its end', () => {
    const { before, sample } = turn1Result.arms;
    const short = { ...sample!, phases: sample!.phases.slice(0, 3), faults: [], recovery: [] };
    const page = renderHtml({
      ...turn1Result,
      aborted: true,
      arms: { before: before!, sample: short },
    });
    expect(page.match(/not reached/g)).toHaveLength(9 + 4);
  });

  it('names a fault in its phase unless they have the same name', () => {
    const arm = turn1Result.arms.after!;
    const faults = arm.faults.map((fault) => ({ ...fault, name: `the ${fault.name}` }));
    const page = renderHtml({ ...turn1Result, arms: { after: { ...arm, faults } } });
    expect(page).toContain('fault: the redis-kill</span>');
    expect(renderHtml(turn1Result)).not.toContain('>fault: ');
  });

  it('does not draw a limit with a scope into the spectrum', () => {
    const page = renderHtml(turn1Result);
    expect(page).not.toContain('below the steps of the SLOs');
    expect(page).not.toContain('p99 limit');
    expect(renderHtml(turn4Result)).toContain('below the steps of the SLOs');
  });

  it('says that a fault missed, did not heal or was never recovered from', () => {
    const { after } = turn1Result.arms;
    const [first, second, ...rest] = after!.faults;
    const faults = [
      { ...first!, outcome: 'missed' as const },
      { ...second!, outcome: 'not healed' as const },
      ...rest,
    ];
    const page = renderHtml({ ...turn1Result, arms: { after: { ...after!, faults } } });
    expect(page).toContain('? missed');
    expect(page).toContain('? not healed');
    expect(renderHtml(turn1Result)).toContain('<b class="fail">never</b> back in tolerance');
  });

  it('leaves out what has no data', () => {
    expect(sections(renderHtml(abortedResult))).toEqual(['reproduce']);
    expect(sections(renderHtml(emptyResult))).toEqual(['slos', 'reproduce']);
    expect(sections(renderHtml(brokenResult))).not.toContain('diagnosis');
  });

  it('says so when a run is partial, quick or failed', () => {
    const page = renderHtml(abortedResult);
    expect(page).toContain('<b>Aborted.</b>');
    expect(page).toContain('<b>Quick run.</b> A quarter of the rows');
    expect(renderHtml(brokenResult)).toContain('<code>after.invariant.audit-once</code>');
    expect(renderHtml(turn4Result)).not.toContain('class="banner');
  });

  it('has room for a third arm', () => {
    const { before, after } = turn4Result.arms;
    const page = renderHtml({
      ...turn4Result,
      arms: { before: before!, sample: after!, after: after! },
    });
    expect(page).toContain('id="timeline-sample-w-title"');
    expect(page).toContain('class="beside stacked"');
  });

  it('explains the numbers of phases once for all arms, or under each arm whose phases are others', () => {
    const listsOf = (result: typeof turn4Result) =>
      [...renderHtml(result).matchAll(/<ol class="numbered">(.*?)<\/ol>/g)].map(([, items]) =>
        items!
          .replace(/<\/?li>/g, ' ')
          .trim()
          .split(/ +/),
      );
    const { before, after } = turn4Result.arms;
    const [first] = before!.phases;
    const load = { latency: before!.latency, errorRatio: 0, attemptsPerOperation: 1 };
    const crowded = (names: readonly string[]): ArmResult => ({
      ...before!,
      phases: names.map((name) => ({ ...first!, name, load })),
    });
    const steps = ['measure', ...Array.from({ length: 8 }, (_, step) => `step-${step}`)];
    const withArms = (...names: (readonly string[])[]) => ({
      ...turn4Result,
      arms: { before: crowded(names[0]!), after: { ...after!, phases: crowded(names[1]!).phases } },
    });
    expect(listsOf(withArms(steps.slice(0, 2), steps))).toEqual([steps]);
    const probed = ['probe', 'measure'];
    expect(listsOf(withArms(probed, steps))).toEqual([probed, steps]);
  });

  it('states errors in words when there are none', () => {
    expect(renderHtml(brokenResult)).toContain('No errors in 3,180 operations.');
  });

  it('keeps hostile text as text', () => {
    const page = renderHtml(hostileResult);
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;');
    expect([...page].every((char) => char >= ' ' || char === '\n' || char === '\t')).toBe(true);
  });

  it('stays small when a run is long', () => {
    const arm = turn4Result.arms.before!;
    const repeat = <T>(items: readonly T[]) => Array.from({ length: 40 }, () => items).flat();
    const points = repeat(arm.timeline.points).map((point, index) => ({
      ...point,
      atUs: index * 1_000_000,
    }));
    const heatMap = {
      ...arm.heatMap!,
      columns: points.length,
      counts: arm.heatMap!.counts.map(repeat),
    };
    const long = { ...arm, timeline: { ...arm.timeline, points }, heatMap };
    const page = renderHtml({ ...turn4Result, arms: { before: long, sample: long, after: long } });
    expect(Buffer.byteLength(page)).toBeLessThan(500_000);
  });

  it('matches the golden file', async () => {
    await expect(renderHtml(turn4Result)).toMatchFileSnapshot('../golden/turn4.report.html.golden');
  });
});
