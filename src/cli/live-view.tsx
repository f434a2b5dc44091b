/**
 * The live view of one run: a fixed number of rows and columns, so that nothing on the screen moves except
 * the figures. It only draws; live-progress.tsx decides when.
 */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { countText, durationText, rateText } from '../report/format.ts';
import type { LiveState, PhaseRow } from './progress-state.ts';
import { freshSample, SAMPLES_SHOWN } from './progress-state.ts';
import { bar, sparkline } from './sparkline.ts';

/** Rows of everything but the list of phases. */
const OTHER_ROWS = 14;
const CPU_ROWS = 2;
const CPU_COLUMNS = 2;
export const MIN_ROWS = OTHER_ROWS + 3;

export interface LiveViewProps {
  readonly state: LiveState;
  readonly nowMs: number;
  /** Terminal size; the view uses at most 80 columns and 20 rows of it. */
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
}

export function LiveView({ state, nowMs, columns, rows, color }: LiveViewProps): ReactNode {
  // One column and one row stay free: a full last line makes some terminals scroll.
  const width = Math.min(80, columns) - 1;
  const phaseRows = Math.min(6, Math.max(2, rows - OTHER_ROWS - 1));
  const current = state.phases.at(-1);
  const elapsed = clock(nowMs - state.startMs);
  return (
    <Box flexDirection="column" width={width}>
      <Row left={<Text bold={color}>{state.heading}</Text>} right={<Text>{elapsed}</Text>} />
      <Line dim={color}>{state.title}</Line>
      <Line> </Line>
      <Phases rows={lastRows(state.phases, phaseRows)} nowMs={nowMs} color={color} />
      <Line> </Line>
      <PhaseBar row={current} nowMs={nowMs} width={width} color={color} />
      <Line> </Line>
      <Traffic state={state} nowMs={nowMs} color={color} />
      <Line> </Line>
      <Cpu state={state} nowMs={nowMs} width={width} color={color} />
      <Line> </Line>
      <Footer state={state} color={color} />
    </Box>
  );
}

/** `1:05`. Whole seconds, so that a redraw changes one character. */
function clock(elapsedMs: number): string {
  const seconds = Math.max(0, Math.floor(elapsedMs / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

interface Part {
  readonly state: LiveState;
  readonly nowMs: number;
  readonly color: boolean;
}

function Line({ children, dim = false }: { children: ReactNode; dim?: boolean }): ReactNode {
  return (
    <Text wrap="truncate-end" dimColor={dim}>
      {children}
    </Text>
  );
}

function Row({ left, right }: { left: ReactNode; right: ReactNode }): ReactNode {
  return (
    <Box justifyContent="space-between" height={1}>
      <Box flexShrink={1} marginRight={2}>
        <Text wrap="truncate-end">{left}</Text>
      </Box>
      <Box flexShrink={0}>{right}</Box>
    </Box>
  );
}

function lastRows(phases: readonly PhaseRow[], count: number): readonly (PhaseRow | null)[] {
  const shown = phases.slice(-count);
  return [...shown, ...Array.from({ length: count - shown.length }, () => null)];
}

function Phases(props: {
  rows: readonly (PhaseRow | null)[];
  nowMs: number;
  color: boolean;
}): ReactNode {
  // The notes of what is on the screen stand below each other.
  const column = Math.max(11, ...props.rows.map((row) => row?.phase.length ?? 0));
  return props.rows.map((row, index) => {
    // The rows are slots on the screen: their position is their identity.
    const key = `slot-${String(index)}`;
    if (row === null) return <Line key={key}> </Line>;
    const done = row.endMs !== null;
    const elapsedMs = (row.endMs ?? props.nowMs) - row.startMs;
    const mark = done ? '✓' : '▸';
    const accent = props.color ? { color: done ? 'green' : 'cyan' } : {};
    return (
      <Row
        key={key}
        left={
          <>
            <Text {...accent}>{mark}</Text> {(row.arm ?? '').padEnd(6)} {row.phase.padEnd(column)}{' '}
            <Text dimColor={props.color && done}>{row.note}</Text>
          </>
        }
        right={<Text dimColor={props.color && done}>{done ? clock(elapsedMs) : ''}</Text>}
      />
    );
  });
}

function PhaseBar(props: {
  row: PhaseRow | undefined;
  nowMs: number;
  width: number;
  color: boolean;
}): ReactNode {
  const { row, nowMs, color } = props;
  if (row === undefined) return <Line dim={color}>starting</Line>;
  const elapsedMs = nowMs - row.startMs;
  const planned = row.plannedMs;
  const share = planned === null ? 0 : elapsedMs / planned;
  const text = planned === null ? clock(elapsedMs) : `${clock(elapsedMs)} of ${clock(planned)}`;
  const room = props.width - 15;
  // A phase that ends by itself has no bar to fill; an empty one would look stuck.
  const { full, rest } = planned === null ? { full: '', rest: '┄'.repeat(room) } : bar(share, room);
  return (
    <Row
      left={
        <>
          <Text {...(color ? { color: 'cyan' } : {})}>{full}</Text>
          <Text dimColor={color}>{rest}</Text>
        </>
      }
      right={<Text>{text}</Text>}
    />
  );
}

function Traffic({ state, nowMs, color }: Part): ReactNode {
  const sample = freshSample(state, nowMs);
  const p50s = state.samples.map((point) => point.p50Us);
  const p99s = state.samples.map((point) => point.p99Us);
  const alarm = color && (sample?.errors ?? 0) > 0 ? { color: 'red' } : {};
  return (
    <>
      <Line>
        <Label color={color}>offered</Label>
        {rateText(sample?.offeredPerSecond ?? null).padStart(9)}
        {'   '}
        <Label color={color}>achieved</Label>
        {rateText(sample?.achievedPerSecond ?? null).padStart(9)}
        {'   '}
        <Label color={color}>in flight</Label>
        {(sample === null ? '-' : countText(sample.inFlight)).padStart(7)}
        {'   '}
        <Text {...alarm}>
          <Label color={color}>errors</Label>
          {(sample === null ? '-' : countText(sample.errors)).padStart(8)}
        </Text>
      </Line>
      <Spark name="p50" now={sample?.p50Us ?? null} values={p50s} color={color} />
      <Spark name="p99" now={sample?.p99Us ?? null} values={p99s} color={color} />
    </>
  );
}

function Label({ children, color }: { children: string; color: boolean }): ReactNode {
  return <Text dimColor={color}>{children}</Text>;
}

function Spark(props: {
  name: string;
  now: number | null;
  values: readonly (number | null)[];
  color: boolean;
}): ReactNode {
  const max = Math.max(0, ...props.values.map((value) => value ?? 0));
  return (
    <Line>
      <Label color={props.color}>{props.name.padEnd(7)}</Label>
      {durationText(props.now).padStart(9)}
      {'   '}
      <Text {...(props.color ? { color: 'cyan' } : {})}>
        {sparkline(props.values, SAMPLES_SHOWN)}
      </Text>
      <Label color={props.color}>{max === 0 ? '' : `  top ${durationText(max)}`}</Label>
    </Line>
  );
}

/** As many nodes as fit, each in its place; where there are more, the last place tells the sum of the rest. */
function Cpu({ state, nowMs, width, color }: Part & { width: number }): ReactNode {
  const sample = freshSample(state, nowMs);
  const cell = Math.floor((width - 6) / CPU_COLUMNS);
  const cells = cpuCells(state.processes, sample?.cpuPercent ?? {});
  return Array.from({ length: CPU_ROWS }, (_, row) => {
    const own = cells.slice(row * CPU_COLUMNS, (row + 1) * CPU_COLUMNS);
    return (
      <Line key={`cpu-${String(row)}`}>
        <Label color={color}>{row === 0 ? 'cpu   ' : '      '}</Label>
        {own.map(({ name, percent }) => (
          <CpuCell key={name} name={name} percent={percent} width={cell} color={color} />
        ))}
        {own.length === 0 ? ' ' : ''}
      </Line>
    );
  });
}

interface CpuUse {
  readonly name: string;
  readonly percent: number | null;
}

function cpuCells(
  names: readonly string[],
  cpuPercent: Readonly<Record<string, number>>,
): readonly CpuUse[] {
  const places = CPU_ROWS * CPU_COLUMNS;
  const use = (name: string): CpuUse => ({ name, percent: cpuPercent[name] ?? null });
  if (names.length <= places) return names.map(use);
  const others = names.slice(places - 1);
  const sum = others.reduce((total, name) => total + (cpuPercent[name] ?? 0), 0);
  const isKnown = others.some((name) => cpuPercent[name] !== undefined);
  const rest = { name: `${others.length} more`, percent: isKnown ? sum : null };
  return [...names.slice(0, places - 1).map(use), rest];
}

/** Names of more than a place keep their end, in which members of a region differ. */
function CpuCell({
  name,
  percent,
  width,
  color,
}: CpuUse & { width: number; color: boolean }): ReactNode {
  const { full, rest } = bar((percent ?? 0) / 100, width - 19);
  const figure = percent === null ? '-' : `${Math.round(percent)} %`;
  const label = name.length > 9 ? `…${name.slice(-8)}` : name;
  return (
    <>
      {label.padEnd(10)}
      <Text {...(color ? { color: 'cyan' } : {})}>{full}</Text>
      <Text dimColor={color}>{rest}</Text>
      {figure.padStart(6)}
      {'   '}
    </>
  );
}

function Footer({ state, color }: { state: LiveState; color: boolean }): ReactNode {
  if (state.stopping) {
    const accent = color ? { color: 'yellow' } : {};
    return <Text {...accent}>stopping; press Ctrl-C again to leave at once</Text>;
  }
  return (
    <Line dim={color}>
      {state.note === '' ? 'Ctrl-C stops and reports what was seen' : state.note}
    </Line>
  );
}
