/**
 * The report as one offline page: no script, no request, charts as inline SVG. A pure function of the result:
 * the same result gives the same bytes. A section without data is left out.
 */
import type { Result } from '../sim/result.ts';
import { capacitySection } from './page/capacity.ts';
import { diagnosisSection, resourceSection } from './page/causes.ts';
import { comparisonSection } from './page/comparison.ts';
import { costSection, faultSection, phaseSection } from './page/drill.ts';
import { pageHeader } from './page/header.ts';
import { documentedSection, invariantSection, sloSection } from './page/judgement.ts';
import { errorSection, heatMapSection, spectrumSection, timelineSection } from './page/latency.ts';
import { html, raw } from './page/markup.ts';
import type { Section } from './page/parts.ts';
import { STYLE } from './page/style.ts';
import { calibrationSection, reproduceSection, validitySection } from './page/trust.ts';
import { namedArms } from './rows.ts';

/** The page may load nothing, and a browser enforces it. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

export function renderHtml(result: Result): string {
  const arms = namedArms(result);
  const sections: Section[] = [
    sloSection(arms),
    documentedSection(arms),
    invariantSection(arms),
    comparisonSection(result.comparison),
    costSection(arms),
    spectrumSection(arms),
    timelineSection(arms),
    phaseSection(arms),
    faultSection(arms),
    heatMapSection(arms),
    errorSection(arms),
    capacitySection(arms),
    resourceSection(arms),
    diagnosisSection(arms),
    validitySection(arms),
    calibrationSection(arms),
    reproduceSection(result, arms),
  ].filter((section) => section !== null);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${result.verdict}: ${result.scenario} ${result.title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<svg class="skip" aria-hidden="true" focusable="false"><defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0V6" stroke="var(--hatch)" stroke-width="1.6"/></pattern></defs></svg>
<div class="page">
${pageHeader(result, arms, sections)}
<main>
${sections.map(({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>\n${body}</section>\n`)}
</main>
<footer>Every number on this page is in <code>result.json</code> beside it; <code>platform report</code> makes the page again from that file, byte for byte.</footer>
</div>
</body>
</html>
`;
  return page.markup;
}
