// `npm ci` in a checkout: builds dist/. Without the development dependencies there is nothing to build it with, which is
// one sentence and not a failed installation; bin/platform.js says so again.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';

try {
  createRequire(import.meta.url).resolve('typescript/package.json');
} catch {
  process.stderr.write(
    'platform is not built: `npm ci --include=dev && npm run build` in the checkout builds it\n',
  );
  process.exit();
}
// The compiler leaves what older sources made, and a package would carry it.
rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
const { status } = spawnSync('npm', ['run', '-s', 'build'], { stdio: 'inherit' });
process.exitCode = status ?? 1;
