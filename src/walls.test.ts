/**
 * The walls of the house, as tests. Every rule is a pure function from a tree of files to complaints, so that
 * each one can also be shown a planted violation: a rule that cannot fail proves nothing.
 * Moving a wall means changing this file and adding a decision to design.md.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** Path from the repository's root, with `/`, to the file's text. */
type Tree = ReadonlyMap<string, string>;
type Rule = (tree: Tree) => string[];

const root = fileURLToPath(new URL('..', import.meta.url));

function readTree(): Tree {
  const tree = new Map<string, string>();
  for (const folder of ['src', 'bench', 'bin']) {
    if (!existsSync(path.join(root, folder))) continue;
    for (const entry of readdirSync(path.join(root, folder), {
      recursive: true,
      withFileTypes: true,
    })) {
      if (!entry.isFile()) continue;
      const absolute = path.join(entry.parentPath, entry.name);
      tree.set(
        path.relative(root, absolute).split(path.sep).join('/'),
        readFileSync(absolute, 'utf8'),
      );
    }
  }
  for (const file of ['package.json', 'CONTRIBUTING.md'])
    tree.set(file, readFileSync(path.join(root, file), 'utf8'));
  return tree;
}

const isCode = (file: string) => /\.tsx?$/.test(file);
const isTest = (file: string) => /\.test\.tsx?$/.test(file);
const sources = (tree: Tree) =>
  [...tree].filter(([file]) => file.startsWith('src/') && isCode(file) && !isTest(file));

/** Text without comments, so that prose about a banned thing is not the thing. */
const withoutComments = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1');

interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
}

/** Imports of one file: local ones as paths from the root, packages by name, builtins as `node:`. */
function importsOf(file: string, text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    const local = specifier.startsWith('.');
    const target = local ? path.posix.join(path.posix.dirname(file), specifier) : specifier;
    found.push({ target: target.replace(/^dist\/(.*)\.js$/, 'src/$1.ts'), typeOnly });
  };
  for (const m of code.matchAll(/^\s*(?:import|export)\s([^;'"]*?)from\s+['"]([^'"]+)['"]/gm))
    add(m[2]!, m[1]!.startsWith('type '));
  for (const m of code.matchAll(/^\s*import\s+['"]([^'"]+)['"]/gm)) add(m[1]!, false);
  for (const m of code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)) add(m[1]!, false);
  return found;
}

/** `from` may import `to`; anything a file of `from` imports that no pattern allows is a complaint. */
interface Wall {
  readonly name: string;
  readonly from: RegExp;
  readonly allowed: readonly RegExp[];
  /** Local imports that must be `import type`. */
  readonly typesOnly?: RegExp;
}

const npmOrNode = /^(?!src\/|bin\/|bench\/)/;
const exactly = (name: string) => new RegExp(`^${name}(/|$)`);

const walls: readonly Wall[] = [
  {
    name: 'a service knows itself, the design and what lies directly in src/services',
    from: /^src\/services\/(?!gateway\/|jobs\/)[^/]+\/|^src\/services\/[^/]+\.ts$/,
    allowed: [npmOrNode, /^src\/services\/[^/]+\.ts$/, /^<own folder>/],
  },
  {
    name: 'the gateway composes services and knows nothing else',
    from: /^src\/services\/gateway\/(?!.*fixtures\/)/,
    allowed: [npmOrNode, /^src\/services\/(?!jobs\/)/],
  },
  {
    name: 'one-shot jobs run services and the gateway, and no other room runs them',
    from: /^src\/services\/jobs\//,
    allowed: [npmOrNode, /^src\/services\//],
  },
  {
    name: 'a checker knows the shapes of the history and the generic pure ring',
    from: /^src\/checkers\//,
    typesOnly: /^src\/sim\/(history|result|scenario)\.ts$/,
    allowed: [/^src\/checkers\//, /^src\/sim\/pure\//, /^src\/sim\/(history|result|scenario)\.ts$/],
  },
  {
    name: 'the engine knows no service, scenario, report or command line',
    from: /^src\/sim\/(?!pure\/)/,
    allowed: [npmOrNode, /^src\/sim\//],
  },
  {
    name: 'the pure ring imports only the pure ring and the shape of facts',
    from: /^src\/sim\/pure\//,
    typesOnly: /^src\/sim\/(fault-plan|history|result|scenario)\.ts$/,
    allowed: [
      /^src\/sim\/pure\//,
      /^src\/sim\/(fault-plan|history|result|scenario)\.ts$/,
      exactly('hdr-histogram-js'),
    ],
  },
  {
    name: 'a report reads result types and draws',
    from: /^src\/report\//,
    allowed: [
      /^src\/report\//,
      /^src\/sim\/(?:result|pure\/exit-code|pure\/measure\/minimum-samples)\.ts$/,
      exactly('echarts'),
      exactly('string-width'),
      exactly('wrap-ansi'),
    ],
    typesOnly: /^src\/sim\/(?!pure\/)/,
  },
  {
    name: 'a scenario knows the design, policies and the engine',
    from: /^src\/scenarios\//,
    allowed: [
      npmOrNode,
      /^src\/scenarios\//,
      /^src\/checkers\//,
      /^src\/sim\//,
      /^src\/services\/(design|lineage)\.ts$/,
      /^src\/services\/[^/]+\/[^/]*policy\.ts$/,
    ],
  },
  {
    name: 'the command line sees services only through their entry points',
    from: /^src\/cli\//,
    allowed: [
      npmOrNode,
      /^src\/(cli|sim|scenarios|report)\//,
      /^src\/services\/(design|lineage)\.ts$/,
      /^src\/services\/[^/]+\/main\.ts$/,
      // `platform audit`: an operator's own way to the log, without a gateway.
      /^src\/services\/gateway\/audit\/audit-admin\.ts$/,
      /^src\/services\/audit\/admin\/admin-error\.ts$/,
    ],
  },
];

const arrows =
  (wall: Wall): Rule =>
  (tree) =>
    sources(tree)
      .filter(([file]) => wall.from.test(file))
      .flatMap(([file, text]) => {
        const own = `${file.split('/').slice(0, 3).join('/')}/`;
        return importsOf(file, text).flatMap(({ target, typeOnly }) => {
          const seen = target.startsWith(own) ? `<own folder>/${target}` : target;
          if (!wall.allowed.some((pattern) => pattern.test(seen) || pattern.test(target)))
            return [`${file} imports ${target}`];
          if (wall.typesOnly?.test(target) && !typeOnly)
            return [`${file} imports ${target} for more than its types`];
          return [];
        });
      });

const scenariosStandAlone: Rule = (tree) =>
  sources(tree)
    .filter(([file]) => /^src\/scenarios\/turn\d+/.test(file))
    .flatMap(([file, text]) => {
      const own = /turn\d+/.exec(file)![0];
      return importsOf(file, text)
        .filter(({ target }) => /^src\/scenarios\/turn\d+/.test(target))
        .filter(({ target }) => /turn\d+/.exec(target)![0] !== own)
        .map(({ target }) => `${file} imports ${target}`);
    });

const hardStopLines = 400;
/** Fixtures are data: one literal may be long. */
const sizes: Rule = (tree) =>
  sources(tree)
    .filter(([file]) => !file.includes('/fixtures/'))
    .map(([file, text]) => ({ file, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > hardStopLines)
    .map(({ file, lines }) => `${file} has ${lines} lines, more than ${hardStopLines}`);

/** A file that can be read alone needs nothing that needs it, not even its types. */
const noCircles: Rule = (tree) => {
  const files = new Map(
    sources(tree)
      .filter(([file]) => !file.includes('/fixtures/'))
      .map(([file, text]) => [file, importsOf(file, text).map(({ target }) => target)]),
  );
  const done = new Set<string>();
  const path: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    if (done.has(file)) return;
    const start = path.indexOf(file);
    if (start >= 0) {
      found.push([...path.slice(start), file].join(' -> '));
      return;
    }
    path.push(file);
    for (const target of files.get(file) ?? []) if (files.has(target)) visit(target);
    path.pop();
    done.add(file);
  };
  for (const file of files.keys()) visit(file);
  return found;
};

const noDefaultExports: Rule = (tree) =>
  sources(tree)
    .filter(([, text]) => /^\s*export\s+default\b|\bas\s+default\b/m.test(withoutComments(text)))
    .map(([file]) => `${file} has a default export`);

const names: Rule = (tree) =>
  [...tree.keys()]
    .filter((file) => file.startsWith('src/'))
    .flatMap((file) => {
      const name = path.posix.basename(file).split('.')[0]!;
      if (/(^|-)(utils?|helpers?|common|misc|manager)$/.test(name))
        return [`${file} names no concept`];
      if (name === 'index' && !file.startsWith('src/scenarios/')) return [`${file} is a barrel`];
      if (isCode(file) && !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))
        return [`${file} is not kebab-case`];
      return [];
    });

/** Paths of modules named in strings: `'services/gateway/main.js'` from dist/, or relative to the file. */
function namedModules(file: string, text: string): string[] {
  return [...withoutComments(text).matchAll(/['"`]([\w./-]+\.[jt]sx?)['"`]/g)].flatMap((m) => {
    const named = m[1]!.replace(/\.js(x?)$/, '.ts$1').replace(/\.tsx?$/, '');
    const base = m[1]!.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), named)
      : path.posix.join('src', named);
    const resolved = base.replace(/^dist\//, 'src/');
    return [`${resolved}.ts`, `${resolved}.tsx`];
  });
}

/** SQL, scripts and data are alive when a living file names them, also one of their own kind. */
function reachAssets(tree: ReadonlyMap<string, string>, alive: Set<string>): void {
  const assets = [...tree.keys()].filter((file) => file.startsWith('src/') && !isCode(file));
  const textOf = (files: Iterable<string>) => [...files].map((file) => tree.get(file) ?? '').join();
  let text = textOf([...alive, 'package.json']);
  for (;;) {
    const found = assets.filter(
      (file) => !alive.has(file) && text.includes(path.posix.basename(file)),
    );
    if (found.length === 0) return;
    for (const file of found) alive.add(file);
    text = textOf(found);
  }
}

/** What is reachable from `roots`, and from the package's exports. */
function reachFrom(tree: Tree, roots: readonly string[]): Set<string> {
  const alive = new Set<string>();
  const visit = (file: string): void => {
    const text = tree.get(file);
    if (text === undefined || alive.has(file)) return;
    alive.add(file);
    for (const { target } of importsOf(file, text)) visit(target);
    for (const named of namedModules(file, text)) visit(named);
  };
  for (const root of roots) visit(root);
  for (const m of (tree.get('package.json') ?? '').matchAll(/"\.\/dist\/([^"]+)\.js"/g))
    visit(`src/${m[1]!}.ts`);
  reachAssets(tree, alive);
  return alive;
}

const isTestData = (file: string) => /\/(?:fixtures|golden)[/.]/.test(file);

/**
 * Everything must be reachable from the bin, a package export, a bench or a named process entry. Tests keep their own
 * fixtures and golden files alive, and no source.
 */
const deadFiles: Rule = (tree) => {
  const files = [...tree.keys()];
  const shipped = files.filter((file) => /^(bin|bench)\//.test(file));
  // This file names modules it has planted; they must not keep real ones alive.
  const tests = files.filter((file) => isTest(file) && file !== 'src/walls.test.ts');
  const alive = reachFrom(tree, shipped);
  const tested = reachFrom(tree, [...shipped, ...tests]);
  return files
    .filter((file) => file.startsWith('src/') && !isTest(file))
    .filter((file) => !(isTestData(file) ? tested : alive).has(file))
    .map((file) => `${file} is reached by nothing`);
};

const pureHasNoClock: Rule = (tree) =>
  sources(tree)
    .filter(([file]) => /^src\/(sim\/pure|checkers)\//.test(file))
    .flatMap(([file, text]) =>
      [
        ...withoutComments(text).matchAll(
          /\b(Math\.random|Date\.now|new Date\(\)|performance\.now|process\.\w+|set(?:Timeout|Interval|Immediate))\b/g,
        ),
      ].map((m) => `${file} uses ${m[1]}`),
    );

const noConsole: Rule = (tree) =>
  sources(tree)
    .filter(([file]) => !file.startsWith('src/cli/'))
    .filter(([, text]) => /\bconsole\.(log|info|debug)\b/.test(withoutComments(text)))
    .map(([file]) => `${file} prints to stdout`);

const maxSourcesInFolder = 25;

const folderSizes: Rule = (tree) => {
  const counts = new Map<string, number>();
  for (const [file] of sources(tree)) {
    const folder = path.posix.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > maxSourcesInFolder)
    .map(([folder, count]) => `${folder} has ${count} source files`);
};

/** An object or array literal that is spread in place: its members belong where the spread stands. */
const noSpreadLiterals: Rule = (tree) =>
  sources(tree).flatMap(([file, text]) =>
    [...withoutComments(text).matchAll(/\.\.\.(?:\{|\[[^\]]*\](?!\s*\.))/g)].map(
      (m) => `${file} spreads the literal ${m[0]}`,
    ),
  );

/** A number or a text at the top of a module, as a constant. */
const primitiveConstant =
  /^(?:export )?const ([a-z]\w*)(?:: (?:number|string))? =\s+(?:-?[\d_.]+(?:e\d+)?|'[^'\n]*')(?: [*/+-] [\d_.e]+)*;/gm;

const constantsAreUpperCase: Rule = (tree) =>
  sources(tree).flatMap(([file, text]) =>
    [...text.matchAll(primitiveConstant)].map((m) => `${file}: ${m[1]!} is a constant`),
  );

/** Private words of earlier editions, each with the field's word in the glossary of design.md. */
const bannedWords =
  /\b(?:Doorkeeper|Passage|introduce|asSomebody|asNobody|asApplicant|Overtaken|Unproven|bury|tallies|untold|startPatiently|createTogether|AuditDesk|DeskError|AccountWalk|ToolLedger|crowding|underHeldUsers|HeldPopulation|armInRun|(?:every|some|no)body's)\b/g;

const noPrivateWords: Rule = (tree) =>
  [...tree]
    .filter(([file]) => isCode(file) && file !== 'src/walls.test.ts')
    .flatMap(([file, text]) =>
      [...text.matchAll(bannedWords)].map((m) => `${file} says "${m[0]}"`),
    );

/** Folders that CONTRIBUTING.md names: the first of a row in full, the others of the row beside it. */
function mappedFolders(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const cell = /^\| (`src\/[^|]*) \|/.exec(line)?.[1] ?? '';
    const named = [...cell.matchAll(/`([^`<]+)\/`/g)].map((m) => m[1]!);
    const beside = path.posix.dirname(named[0] ?? '');
    return named.map((name) => (name.startsWith('src/') ? name : `${beside}/${name}`));
  });
}

const mapIsTheTree: Rule = (tree) => {
  const folders = new Set(sources(tree).map(([file]) => path.posix.dirname(file)));
  for (const folder of folders) if (/\/fixtures(?:\/|$)/.test(folder)) folders.delete(folder);
  const mapped = mappedFolders(tree.get('CONTRIBUTING.md') ?? '');
  const holdsFiles = (folder: string) =>
    [...tree.keys()].some((file) => file.startsWith(`${folder}/`));
  return [
    ...[...folders]
      .filter((folder) => !mapped.includes(folder))
      .map((folder) => `CONTRIBUTING.md does not name ${folder}`),
    ...mapped
      .filter((folder) => !holdsFiles(folder))
      .map((folder) => `CONTRIBUTING.md names ${folder}, which does not exist`),
  ];
};

interface Planted {
  readonly rule: string;
  readonly check: Rule;
  /** Each a small tree that breaks the rule once. */
  readonly violations: readonly Readonly<Record<string, string>>[];
}

const plantedArrows: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>> = {
  'a service knows itself, the design and what lies directly in src/services': [
    { 'src/services/audit/store.ts': "import { lua } from '../sessions/store.ts';" },
    { 'src/services/audit/store.ts': "import type { Verdict } from '../../sim/result.ts';" },
    { 'src/services/design.ts': "import { turn4 } from '../scenarios/turn4.ts';" },
  ],
  'the gateway composes services and knows nothing else': [
    { 'src/services/gateway/main.ts': "const r = await import('../../report/html.ts');" },
  ],
  'one-shot jobs run services and the gateway, and no other room runs them': [
    {
      'src/services/jobs/template.ts':
        "import { startTestbed } from '../../sim/effects/testbed/testbed.ts';",
    },
  ],
  'a checker knows the shapes of the history and the generic pure ring': [
    { 'src/checkers/audit/check-audit.ts': "import { readFileSync } from 'node:fs';" },
    { 'src/checkers/audit/check-audit.ts': "import { parse } from '../../sim/result.ts';" },
  ],
  'the engine knows no service, scenario, report or command line': [
    { 'src/sim/run.ts': "import {\n  design,\n} from '../services/design.ts';" },
    {
      'src/sim/effects/load/engine/sender.ts':
        "export { list } from '../../../../scenarios/index.ts';",
    },
  ],
  'the pure ring imports only the pure ring and the shape of facts': [
    { 'src/sim/pure/slo.ts': "import { readFileSync } from 'node:fs';" },
    { 'src/sim/pure/slo.ts': "import { Pool } from 'pg';" },
    { 'src/sim/pure/slo.ts': "import { run } from '../run.ts';" },
    { 'src/sim/pure/slo.ts': "import { parse } from '../result.ts';" },
  ],
  'a report reads result types and draws': [
    { 'src/report/html.ts': "import { UsageError } from '../sim/errors.ts';" },
    { 'src/report/html.ts': "import { parse } from '../sim/result.ts';" },
    { 'src/report/html.ts': "import { Redis } from 'ioredis';" },
  ],
  'a scenario knows the design, policies and the engine': [
    { 'src/scenarios/turn4.ts': "import { store } from '../services/audit/store.ts';" },
    { 'src/scenarios/turn4.ts': "import { html } from '../report/html.ts';" },
  ],
  'the command line sees services only through their entry points': [
    { 'src/cli/serve.ts': "import { append } from '../services/audit/store.ts';" },
  ],
};

const rules: readonly Planted[] = [
  ...walls.map((wall) => ({
    rule: wall.name,
    check: arrows(wall),
    violations: plantedArrows[wall.name] ?? [],
  })),
  {
    rule: 'a scenario never imports another scenario',
    check: scenariosStandAlone,
    violations: [{ 'src/scenarios/turn5.ts': "import { turn4 } from './turn4.ts';" }],
  },
  {
    rule: `no source file is longer than ${hardStopLines} lines`,
    check: sizes,
    violations: [{ 'src/sim/run.ts': 'const a = 1;\n'.repeat(hardStopLines + 1) }],
  },
  {
    rule: 'no files import each other in a circle',
    check: noCircles,
    violations: [
      {
        'src/sim/a.ts': "import { b } from './b.ts';",
        'src/sim/b.ts': "import type { A } from './a.ts';",
      },
    ],
  },
  {
    rule: 'nothing has a default export',
    check: noDefaultExports,
    violations: [
      { 'src/sim/run.ts': 'export default function run() {}' },
      { 'src/sim/run.ts': 'const run = 1;\nexport { run as default };' },
    ],
  },
  {
    rule: 'file names are concepts, in kebab-case, and never barrels',
    check: names,
    violations: [
      { 'src/sim/utils.ts': '' },
      { 'src/sim/redis-helpers.ts': '' },
      { 'src/sim/index.ts': '' },
      { 'src/sim/RunScenario.ts': '' },
    ],
  },
  {
    rule: 'no file is dead',
    check: deadFiles,
    violations: [
      {
        'bin/platform.js': "import '../dist/cli/main.js';",
        'src/cli/main.ts': '',
        'src/cli/old.ts': '',
      },
      { 'src/services/audit/old.sql': 'SELECT 1;' },
      {
        'src/sim/pure/old.ts': '',
        'src/sim/pure/old.test.ts': "import { old } from './old.ts';",
      },
    ],
  },
  {
    rule: 'the pure ring has no clock, no timers and no randomness of its own',
    check: pureHasNoClock,
    violations: [
      { 'src/sim/pure/schedule.ts': 'const at = Math.random();' },
      { 'src/sim/pure/schedule.ts': 'const at = Date.now();' },
      { 'src/sim/pure/schedule.ts': 'const at = performance.now();' },
    ],
  },
  {
    rule: `no folder has more than ${maxSourcesInFolder} source files`,
    check: folderSizes,
    violations: [
      Object.fromEntries(
        Array.from({ length: maxSourcesInFolder + 1 }, (_, i) => [`src/sim/part-${i}.ts`, '']),
      ),
    ],
  },
  {
    rule: 'no literal is spread in place',
    check: noSpreadLiterals,
    violations: [
      { 'src/sim/run.ts': 'const run = { ...{ seed, rate }, arms };' },
      { 'src/sim/run.ts': 'values: [...[a, b], c]' },
    ],
  },
  {
    rule: 'constants that are a number or a text are in SCREAMING_CASE',
    check: constantsAreUpperCase,
    violations: [
      { 'src/sim/run.ts': 'const timeoutMs = 5_000;' },
      { 'src/sim/run.ts': "export const separator = ':';" },
    ],
  },
  {
    rule: 'no private word comes back',
    check: noPrivateWords,
    violations: [
      { 'src/services/gateway/guard.ts': 'export function asSomebody() {}' },
      { 'src/services/batcher.ts': "/** A failure is everybody's. */" },
    ],
  },
  {
    rule: 'the map in CONTRIBUTING.md is the tree',
    check: mapIsTheTree,
    violations: [
      {
        'CONTRIBUTING.md': '| `src/sim/plan/`, `run/` | plans |',
        'src/sim/plan/plan.ts': '',
        'src/sim/run/run.ts': '',
        'src/sim/result/figures.ts': '',
      },
      { 'CONTRIBUTING.md': '| `src/sim/old/` | gone |' },
    ],
  },
  {
    rule: 'only the command line prints to stdout',
    check: noConsole,
    violations: [{ 'src/sim/run.ts': "console.log('here');" }],
  },
];

describe('the walls', () => {
  const tree = readTree();
  for (const { rule, check } of rules) it(rule, () => expect(check(tree)).toEqual([]));

  it('are checked against a tree that is really there', () =>
    expect(sources(tree).length).toBeGreaterThan(5));
});

describe('the rules that guard the walls', () => {
  for (const { rule, check, violations } of rules) {
    it(`catch a planted violation: ${rule}`, () => {
      expect(violations.length).toBeGreaterThan(0);
      for (const planted of violations)
        expect(check(new Map(Object.entries(planted)))).toHaveLength(1);
    });
  }

  it('do not mistake a comment for code', () => {
    const tree = new Map([
      [
        'src/sim/pure/slo.ts',
        "// Math.random is banned\n/* import x from 'pg'; */\nconst url = 'http://a';",
      ],
    ]);
    expect(pureHasNoClock(tree)).toEqual([]);
    expect(walls.flatMap((wall) => arrows(wall)(tree))).toEqual([]);
  });

  it('follow process entries named in strings, from dist/ and relative to the file', () => {
    const tree = new Map([
      ['bin/platform.js', "import { main } from '../dist/cli/main.js';"],
      ['src/cli/main.ts', "const spec = { module: 'services/gateway/main.js' };"],
      ['src/services/gateway/main.ts', "new Worker(new URL('./hasher.js', import.meta.url));"],
      ['src/services/gateway/hasher.ts', ''],
    ]);
    expect(deadFiles(tree)).toEqual([]);
  });
});
