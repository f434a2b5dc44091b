/**
 * Timeline of one arm, three panels on one time axis: offered and completed rate, p50 and p99 on a log axis that all
 * arms share, operations in flight. Phases are named above; unjudged ones are hatched, faults are shaded.
 */
import type { FaultSummary, PhaseSummary } from '../../sim/result.ts';
import { formatCount, formatOffset } from '../format.ts';
import type { Markup } from '../html/markup.ts';
import { armEndUs, type NamedArm } from '../rows.ts';
import { truncate } from '../terminal-text.ts';
import {
  axis,
  type Box,
  grid,
  heading,
  latencyScale,
  line,
  linearScale,
  log10,
  type Scale,
  timeScale,
} from './axes.ts';
import { downsamplePoints, maxBuckets } from './downsample.ts';
import { armColor, armSoftColor, color } from './palette.ts';
import { sloSteps } from './spectrum.ts';
import { type ChartText, responsiveChart } from './svg.ts';

/** The latency axis all arms of a run share. */
export function sharedLatencyScale(arms: readonly NamedArm[]): Scale {
  const values = arms.flatMap(({ arm }) =>
    arm.timeline.points.flatMap((point) => [point.p50Us ?? 0, point.p99Us ?? 0]),
  );
  const limits = arms.flatMap(({ arm }) => sloSteps(arm.slos).map((step) => step.limitUs));
  return latencyScale([...values, ...limits]);
}

/** With more phases, the chart takes the whole width and numbers the phases. */
const MAX_NAMED_PHASES = 6;

export function isCrowded(arms: readonly NamedArm[]): boolean {
  return arms.some(({ arm }) => arm.phases.length > MAX_NAMED_PHASES && arm.phases.some(hasLoad));
}

function hasLoad({ load }: PhaseSummary): boolean {
  return load !== null;
}

export function timelineChart(named: NamedArm, latency: Scale, isWide = false): Markup | null {
  const { name, arm } = named;
  if (arm.timeline.points.length === 0) return null;
  const phases = arm.phases.map(
    (phase) => `${phase.name} ${formatOffset(phase.startUs)} to ${formatOffset(phase.endUs)}`,
  );
  const text: ChartText = {
    id: `timeline-${name}`,
    title: `Timeline of ${name}`,
    description: `Offered and completed rate, p50 and p99 response time and operations in flight per second. Phases: ${phases.join(', ')}.`,
  };
  return responsiveChart(text, isWide ? 960 : 540, (width) =>
    drawTimeline(named, { latency, width, isNumbered: isWide }),
  );
}

interface Frame {
  readonly latency: Scale;
  readonly width: number;
  /** Phases are numbered, and named where there is room. */
  readonly isNumbered: boolean;
}

function drawTimeline({ name, arm }: NamedArm, { latency, width, isNumbered }: Frame) {
  const toSeconds = (us: number) => us / 1_000_000;
  const left = 52;
  const plot = width - left - 12;
  const points = downsamplePoints(arm.timeline.points, maxBuckets(plot));
  const time = timeScale(toSeconds(armEndUs(arm)), plot);
  const rates = points.flatMap((point) => [point.offeredPerSecond, point.completedPerSecond]);
  const rate = linearScale(Math.max(1, ...rates), formatCount, 3);
  const flight = linearScale(Math.max(1, ...points.map((point) => point.inFlight)), formatCount, 2);
  const boxes: Box[] = [
    { left, top: 42, width: plot, height: 92 },
    { left, top: 166, width: plot, height: 150 },
    { left, top: 348, width: plot, height: 64 },
  ];
  const series = (pick: (point: (typeof points)[number]) => number | null) =>
    points.map((point) => [toSeconds(point.atUs), pick(point)] as const);
  const steps = (pick: (point: (typeof points)[number]) => number) => [
    ...series(pick),
    [time.max, pick(points.at(-1)!)] as const,
  ];
  const p99Limit = sloSteps(arm.slos).at(-1);
  const log = (us: number | null) => (us === null ? null : log10(us));
  return {
    width,
    height: 440,
    option: {
      title: ['rate, per second', 'response time, log', 'in flight'].map((text, index) =>
        heading(text, left, boxes[index]!.top - 17),
      ),
      grid: boxes.map(grid),
      xAxis: boxes.map((_, index) => axis('x', time, { grid: index, labels: index === 2 })),
      yAxis: [rate, latency, flight].map((scale, index) => axis('y', scale, { grid: index })),
      series: [
        ...boxes.map((_, index) =>
          phaseAndFaultAreas(arm, index, { plot, endSeconds: time.max, isNumbered }),
        ),
        line(
          steps((point) => point.offeredPerSecond),
          { stroke: color('muted'), dash: [4, 3], step: 'end' },
        ),
        line(
          steps((point) => point.completedPerSecond),
          { stroke: armColor(name), width: 1.75, step: 'end' },
        ),
        ...(p99Limit === undefined ? [] : [limitLine(p99Limit, time.max)]),
        line(
          series((point) => log(point.p50Us)),
          { stroke: armSoftColor(name), width: 1.5 },
          1,
        ),
        line(
          series((point) => log(point.p99Us)),
          { stroke: armColor(name), width: 1.75 },
          1,
        ),
        line(
          steps((point) => point.inFlight),
          { stroke: armColor(name), width: 1.5, step: 'end' },
          2,
        ),
      ],
    },
  };
}

function limitLine(
  step: { readonly limitUs: number; readonly objective: string },
  endSeconds: number,
) {
  const y = log10(step.limitUs);
  return line(
    [
      [0, y],
      [endSeconds, y],
    ],
    { stroke: color('slo'), width: 1.25, dash: [5, 3] },
    1,
  );
}

/** Width of a character: an upper bound, and an average. */
const WIDE_CHAR_PX = 7.2;
const NARROW_CHAR_PX = 6.3;

/** Phases and faults of one panel; only the first panel names them, cut to their width. */
function phaseAndFaultAreas(
  arm: NamedArm['arm'],
  panel: number,
  { plot, endSeconds, isNumbered }: { plot: number; endSeconds: number; isNumbered: boolean },
): Record<string, unknown> {
  const span = (startUs: number, endUs: number) =>
    [startUs / 1_000_000, endUs / 1_000_000] as const;
  const pixels = (start: number, end: number) => ((end - start) / endSeconds) * plot;
  const fitName = (text: string, room: number) =>
    panel === 0 && room >= 4 * WIDE_CHAR_PX ? truncate(text, Math.floor(room / WIDE_CHAR_PX)) : '';
  const phaseName = (text: string, index: number, room: number) => {
    if (!isNumbered) return fitName(text, room);
    const whole = `${index + 1} ${text}`;
    if (panel !== 0) return '';
    return whole.length * NARROW_CHAR_PX <= room - 4 ? whole : String(index + 1);
  };
  const faultName = (text: string, room: number) => {
    if (!isNumbered) return fitName(text, room);
    return panel === 0 && text.length * NARROW_CHAR_PX <= room - 4 ? text : '';
  };
  const phase = (item: PhaseSummary, index: number) => {
    const [start, end] = span(item.startUs, item.endUs);
    return [
      {
        xAxis: start,
        itemStyle: { color: item.judged ? 'transparent' : color('idle') },
        label: bandLabel(
          phaseName(item.name, index, pixels(start, end)),
          item.judged ? color('ink') : color('muted'),
          -38,
        ),
      },
      { xAxis: end },
    ];
  };
  const fault = (item: FaultSummary) => {
    const [start, end] = span(item.startUs, item.endUs);
    const within = arm.phases.find(({ endUs }) => endUs > item.startUs)?.endUs ?? item.endUs;
    const room = pixels(
      start,
      isNumbered ? Math.max(end, within / 1_000_000) : Math.max(end, start + endSeconds / 3),
    );
    return [
      {
        xAxis: start,
        itemStyle: { color: color('fault') },
        label: bandLabel(
          isFirstOfKind(arm, item) ? faultName(item.family ?? item.name, room) : '',
          color('bad'),
          4,
        ),
      },
      { xAxis: end },
    ];
  };
  const edges = arm.phases.slice(1).map((item) => ({ xAxis: item.startUs / 1_000_000 }));
  return {
    ...line([], { stroke: color('muted') }, panel),
    markArea: { silent: true, data: [...arm.phases.map(phase), ...arm.faults.map(fault)] },
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: false },
      lineStyle: { color: color('axis'), width: 1, type: 'solid' },
      data: edges,
    },
  };
}

/** Of a family of faults, only the first in a phase is named. */
function isFirstOfKind({ phases, faults }: NamedArm['arm'], fault: FaultSummary): boolean {
  if (fault.family === undefined) return true;
  const within = phases.find(({ endUs }) => endUs > fault.startUs)?.startUs ?? 0;
  const [first] = faults
    .filter(({ family, startUs }) => family !== undefined && startUs >= within)
    .sort((a, b) => a.startUs - b.startUs);
  return first === fault;
}

function bandLabel(text: string, fill: string, offset: number): Record<string, unknown> {
  return {
    show: text !== '',
    position: 'insideTopLeft',
    distance: 0,
    offset: [3, offset],
    color: fill,
    textBorderWidth: 0,
    formatter: () => text,
  };
}
