/**
 * The page's style sheet: one column of text, system fonts, tabular figures, colours by role. Light, dark and
 * print differ only in the values of the variables; charts use the same ones.
 */
import { LIGHT_COLORS } from '../charts/light-colors.ts';
import { LAYOUT } from './layout.ts';

const LIGHT = Object.entries(LIGHT_COLORS)
  .map(([role, value]) => `--${role}:${value};`)
  .join('');

const DARK = `
--paper:#15171a;--panel:#1d2024;--ink:#e7e7e3;--muted:#a3a9b3;--rule:#31353b;
--axis:#5d636d;--grid:#272b30;--slo:#d6d6d0;--slo-zone:rgba(231,231,227,.06);
--fault:rgba(244,112,103,.2);--good:#58c793;--bad:#f47c73;--doubt:#dcb04c;
--good-wash:#17302a;--bad-wash:#3a2021;--doubt-wash:#362c17;
--before:#f0965a;--before-soft:#96603a;--after:#6db1f2;--after-soft:#41709c;
--sample:#b795ee;--sample-soft:#725a97;
--heat-1:#233b58;--heat-2:#275581;--heat-3:#3074ae;--heat-4:#4c96d2;--heat-5:#8cc3ed;--heat-6:#dcefff;
--series-1:#35cdbb;--series-2:#e2b33c;--series-3:#f07fb4;--series-4:#a7b0fb;--series-5:#a4d64a;--series-6:#9ca3af;--series-7:#fb923c;--series-8:#38bdf8;--series-9:#c084fc;
--hatch:#3a3f46;`;

const BASE = `
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums;-webkit-font-smoothing:antialiased}
code,pre,kbd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;font-size:.875em}
pre{margin:0;padding:14px 16px;background:var(--panel);border:1px solid var(--rule);border-radius:6px;overflow-x:auto;line-height:1.5;white-space:pre}
p,ul,ol,dl,figure{margin:0}
a{color:inherit;text-underline-offset:3px;text-decoration-color:var(--axis)}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--after);outline-offset:2px}
h1,h2,h3{line-height:1.25;margin:0;font-weight:650;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:clamp(24px,3.4vw,34px);letter-spacing:-.015em}
h2{font-size:22px;letter-spacing:-.01em}
h3{font-size:16px}
p,li,dt,dd,figcaption,summary{overflow-wrap:anywhere}
td,th{overflow-wrap:break-word}td .note{overflow-wrap:anywhere}
.muted,figcaption,.note{color:var(--muted)}
.note,figcaption{font-size:14px;line-height:1.5}
.nowrap{white-space:nowrap}
.skip{position:absolute;width:0;height:0;overflow:hidden}
`;

const TABLES = `
.scroll{overflow-x:auto;background:linear-gradient(to right,var(--paper) 40%,transparent) left,linear-gradient(to left,var(--paper) 40%,transparent) right,linear-gradient(to right,var(--rule),transparent) left,linear-gradient(to left,var(--rule),transparent) right;background-size:48px 100%,48px 100%,14px 100%,14px 100%;background-repeat:no-repeat;background-attachment:local,local,scroll,scroll}
table{border-collapse:collapse;width:100%;font-size:15px;line-height:1.45}
caption{text-align:left;font-size:14px;color:var(--muted);padding-bottom:6px}
th,td{padding:8px 24px 8px 0;text-align:left;vertical-align:baseline;border-bottom:1px solid var(--rule)}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:13px;font-weight:600;color:var(--muted);border-bottom-color:var(--axis);vertical-align:bottom}
tbody th{font-weight:400;min-width:8em}thead th:first-child{min-width:8em}
tbody th.num{min-width:0}
.under{display:block;font-size:13px;color:var(--muted);white-space:nowrap}
.block{display:block}.about{font-weight:400}
.statement{display:block;min-width:15em;overflow-wrap:anywhere}
.num{text-align:right;white-space:nowrap}
td code,th code{white-space:normal}
tr.total th,tr.total td{border-bottom:0;color:var(--muted);font-size:14px}
.verdict{display:inline-block;white-space:nowrap;font-weight:600}
.pass{color:var(--good)}.fail{color:var(--bad)}.unknown{color:var(--doubt)}
.value{font-weight:600;white-space:nowrap}.cell{display:inline-block;min-width:4.6em}
.bar{vertical-align:middle;margin-right:6px;border-radius:2px}.plain{display:none}
.tag{display:inline-block;padding:0 7px;border:1px solid currentColor;border-radius:3px;font-size:12px;font-weight:600;line-height:18px;color:var(--bad);white-space:nowrap}
details{margin-top:12px}
summary{cursor:pointer;font-size:14px;color:var(--muted)}
details[open] summary{margin-bottom:10px}
`;

export const STYLE = [
  `:root{color-scheme:light dark;${LIGHT}}`,
  `@media (prefers-color-scheme:dark){:root{${DARK}}}`,
  BASE,
  TABLES,
  LAYOUT,
  `@media print{:root{color-scheme:light;${LIGHT}--paper:#fff}}`,
]
  .join('')
  .replace(/\n/g, '');
