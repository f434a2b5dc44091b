/**
 * The gateway's program with a defect of a kill matrix planted in it. Params: plant `{ matrix, id }`. The hook is there
 * before the gateway's modules are loaded.
 */
import { register } from 'node:module';

const { planted } = await import('./planted-exports.mjs');
register('../src/services/gateway/fixtures/planted-module.mjs', import.meta.url, {
  data: {
    module: new URL(`../dist/services/${planted.module}`, import.meta.url).href,
    names: Object.keys(planted.exports),
    plants: new URL('planted-exports.mjs', import.meta.url).href,
  },
});
await import('../dist/services/gateway/main.js');
