/**
 * The live view of one run: a fixed number of rows and columns, so that only the figures change on the screen.
 * live-progress.tsx decides when it is drawn.
 */
import { Box, Text } from 'ink';
import type { ReactNode } from 'react';
import { formatCount, formatDuration, formatRate } from '../../report/format.ts';
import type { LiveState, PhaseRow } from './progress-state.ts';
import { currentSample, MAX_SAMPLES } from './progress-state.ts';
import { renderBar, renderSparkline } from './sparkline.ts';

/** Rows of everything except the list of phases. */
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
  // One column and one row stay free: some terminals scroll when the last line is full.
  const width = Math.min(80, columns) - 1;
  const phaseRows = Math.min(6, Math.max(2, rows - OTHER_ROWS - 1));
  const current = state.phases.at(-1);
  const elapsed = formatClock(nowMs - state.startMs);
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

/** `1:05`. */
function formatClock(elapsedMs: number): string {
  const seconds = Math.max(0, Math.floor(elapsedMs / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

interface PartProps {
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
  // Wide enough for every shown phase, so that the notes are aligned.
  const column = Math.max(11, ...props.rows.map((row) => row?.phase.length ?? 0));
  return props.rows.map((row, index) => {
    // Keyed by position: a row of the screen shows another phase later.
    const key = `slot-${String(index)}`;
    if (row === null) return <Line key={key}> </Line>;
    const isDone = row.endMs !== null;
    const elapsedMs = (row.endMs ?? props.nowMs) - row.startMs;
    const mark = isDone ? '✓' : '▸';
    const accent = props.color ? { color: isDone ? 'green' : 'cyan' } : {};
    return (
      <Row
        key={key}
        left={
          <>
            <Text {...accent}>{mark}</Text> {(row.arm ?? '').padEnd(6)} {row.phase.padEnd(column)}{' '}
            <Text dimColor={props.color && isDone}>{row.note}</Text>
          </>
        }
        right={<Text dimColor={props.color && isDone}>{isDone ? formatClock(elapsedMs) : ''}</Text>}
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
  const ratio = planned === null ? 0 : elapsedMs / planned;
  const text =
    planned === null
      ? formatClock(elapsedMs)
      : `${formatClock(elapsedMs)} of ${formatClock(planned)}`;
  const barWidth = props.width - 15;
  // Without a planned length there is no bar to fill, and an empty bar would look stuck.
  const { full, rest } =
    planned === null ? { full: '', rest: '┄'.repeat(barWidth) } : renderBar(ratio, barWidth);
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

function Traffic({ state, nowMs, color }: PartProps): ReactNode {
  const sample = currentSample(state, nowMs);
  const p50s = state.samples.map((point) => point.p50Us);
  const p99s = state.samples.map((point) => point.p99Us);
  const alarm = color && (sample?.errors ?? 0) > 0 ? { color: 'red' } : {};
  return (
    <>
      <Line>
        <Label color={color}>offered</Label>
        {formatRate(sample?.offeredPerSecond ?? null).padStart(9)}
        {'   '}
        <Label color={color}>achieved</Label>
        {formatRate(sample?.achievedPerSecond ?? null).padStart(9)}
        {'   '}
        <Label color={color}>in flight</Label>
        {(sample === null ? '-' : formatCount(sample.inFlight)).padStart(7)}
        {'   '}
        <Text {...alarm}>
          <Label color={color}>errors</Label>
          {(sample === null ? '-' : formatCount(sample.errors)).padStart(8)}
        </Text>
      </Line>
      <LatencyRow name="p50" now={sample?.p50Us ?? null} values={p50s} color={color} />
      <LatencyRow name="p99" now={sample?.p99Us ?? null} values={p99s} color={color} />
    </>
  );
}

function Label({ children, color }: { children: string; color: boolean }): ReactNode {
  return <Text dimColor={color}>{children}</Text>;
}

function LatencyRow(props: {
  name: string;
  now: number | null;
  values: readonly (number | null)[];
  color: boolean;
}): ReactNode {
  const max = Math.max(0, ...props.values.map((value) => value ?? 0));
  return (
    <Line>
      <Label color={props.color}>{props.name.padEnd(7)}</Label>
      {formatDuration(props.now).padStart(9)}
      {'   '}
      <Text {...(props.color ? { color: 'cyan' } : {})}>
        {renderSparkline(props.values, MAX_SAMPLES)}
      </Text>
      <Label color={props.color}>{max === 0 ? '' : `  top ${formatDuration(max)}`}</Label>
    </Line>
  );
}

/** As many processes as fit, in fixed places; if there are more, the last place shows the sum of the rest. */
function Cpu({ state, nowMs, width, color }: PartProps & { width: number }): ReactNode {
  const sample = currentSample(state, nowMs);
  const cellWidth = Math.floor((width - 6) / CPU_COLUMNS);
  const cells = cpuCells(state.processNames, sample?.cpuPercent ?? {});
  return Array.from({ length: CPU_ROWS }, (_, row) => {
    const rowCells = cells.slice(row * CPU_COLUMNS, (row + 1) * CPU_COLUMNS);
    return (
      <Line key={`cpu-${String(row)}`}>
        <Label color={color}>{row === 0 ? 'cpu   ' : '      '}</Label>
        {rowCells.map(({ name, percent }) => (
          <CpuCell key={name} name={name} percent={percent} width={cellWidth} color={color} />
        ))}
        {rowCells.length === 0 ? ' ' : ''}
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

/** Long names keep their end, in which the instances of a region differ. */
function CpuCell({
  name,
  percent,
  width,
  color,
}: CpuUse & { width: number; color: boolean }): ReactNode {
  const { full, rest } = renderBar((percent ?? 0) / 100, width - 19);
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
  if (state.isStopping) {
    const accent = color ? { color: 'yellow' } : {};
    return <Text {...accent}>stopping; press Ctrl-C again to leave at once</Text>;
  }
  return (
    <Line dim={color}>
      {state.note === '' ? 'Ctrl-C stops the run and writes a partial report' : state.note}
    </Line>
  );
}
