import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  abortedResult,
  brokenResult,
  emptyResult,
  hostileResult,
} from '../fixtures/edge-results.ts';
import { manyNodesResult } from '../fixtures/many-nodes.ts';
import { turn1Result } from '../fixtures/turn1-result.ts';
import { turn4Result } from '../fixtures/turn4-result.ts';
import { renderHtml } from './page.ts';

const executablePath = process.env.PLATFORM_CHROMIUM ?? '/usr/bin/chromium';
const results = {
  turn1Result,
  turn4Result,
  brokenResult,
  hostileResult,
  emptyResult,
  abortedResult,
  manyNodesResult,
};

interface Seen {
  readonly hidden: readonly string[];
  readonly sections: number;
  readonly charts: number;
  readonly overflow: number;
  readonly background: string;
  readonly escaped: readonly string[];
  readonly unresolved: number;
}

/** Runs in the page, as text because this project has no DOM types: what a reader would trip over. */
const INSPECT = `(() => {
  const root = document.documentElement;
  const all = (selector) => [...document.querySelectorAll(selector)];
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const unpainted = (name) => all('svg [' + name + '^="var"]')
    .filter((element) => getComputedStyle(element)[name] === 'none').length;
  return {
    hidden: all('section').filter((item) => !visible(item)).map(({ id }) => id),
    sections: all('section').length,
    charts: all('svg[role=img]').filter(visible).length,
    overflow: root.scrollWidth - root.clientWidth,
    background: getComputedStyle(document.body).backgroundColor,
    escaped: all('main svg, h1, p, figure, dl, pre, .scroll')
      .filter(visible)
      .filter((element) => element.closest('.scroll') === null || element.matches('.scroll'))
      .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1)
      .map((element) => element.outerHTML.slice(0, 80)),
    unresolved: unpainted('fill') + unpainted('stroke'),
  };
})()`;

/** Jenkins serves the files of a build with this, and so without the page's style sheet. */
const JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';";

interface Plain {
  readonly text: string;
  readonly fonts: readonly string[];
  /** Colours in which the lines of a chart are drawn, without grey. */
  readonly colours: readonly string[];
  readonly grounds: readonly string[];
  readonly keys: number;
  readonly narrowest: number;
}

/** What a reader sees without any style: text that is apart, charts that are drawn in their colours on a ground. */
const INSPECT_PLAIN = `(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = all('svg[role=img]').filter((svg) => svg.getBoundingClientRect().width > 0);
  const styles = (selector, name) => [...new Set(seen.flatMap((svg) =>
    [...svg.querySelectorAll(selector)].map((element) => getComputedStyle(element)[name])))];
  return {
    text: document.body.innerText,
    fonts: styles('text', 'fontSize'),
    colours: styles('path, polyline', 'stroke').filter((paint) => {
      const [r, g, b] = (paint.match(/\\d+/g) ?? []).map(Number);
      return Math.max(r, g, b) - Math.min(r, g, b) > 60;
    }),
    grounds: styles(':scope > path:first-of-type', 'fill'),
    keys: all('.legend svg').filter((svg) => svg.getBoundingClientRect().width === 20).length,
    narrowest: Math.min(...seen.map((svg) => svg.getBoundingClientRect().width)),
  };
})()`;

describe('the page in Chromium', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'platform-report-'));
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  });

  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(
    name: keyof typeof results,
    options: { width: number; colorScheme: 'light' | 'dark' },
  ) {
    const file = join(folder, `${name}.html`);
    await writeFile(file, renderHtml(results[name]));
    const { width, colorScheme } = options;
    const context = await browser.newContext({
      viewport: { width, height: 900 },
      colorScheme,
      offline: true,
    });
    try {
      const page = await context.newPage();
      const complaints: string[] = [];
      const requests: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('request', (request) => requests.push(request.url()));
      const url = pathToFileURL(file).href;
      await page.goto(url, { timeout: 20_000 });
      return {
        complaints,
        requests: requests.filter((to) => to !== url),
        ...((await page.evaluate(INSPECT)) as Seen),
      };
    } finally {
      await context.close();
    }
  }

  const views = [1200, 390].flatMap((width) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ width, colorScheme })),
  );

  it.each(views)('shows everything and loads nothing: $width px, $colorScheme', async (view) => {
    const seen = await open('turn4Result', view);
    expect(seen.complaints).toEqual([]);
    expect(seen.requests).toEqual([]);
    expect(seen.sections).toBe(13);
    expect(seen.hidden).toEqual([]);
    // Spectrum, capacity, one error chart; timeline, heat map and CPU for two arms.
    expect(seen.charts).toBe(9);
    expect(seen.overflow).toBe(0);
    expect(seen.escaped).toEqual([]);
    expect(seen.unresolved).toBe(0);
    const [red = 0] = (seen.background.match(/\d+/g) ?? []).map(Number);
    expect(red > 128).toBe(view.colorScheme === 'light');
  });

  it.each(views)('shows a drill: $width px, $colorScheme', async (view) => {
    const seen = await open('turn1Result', view);
    expect(seen.complaints).toEqual([]);
    expect(seen.requests).toEqual([]);
    expect(seen.sections).toBe(12);
    expect(seen.hidden).toEqual([]);
    // Spectrum, two error charts; timeline, heat map and CPU for three arms.
    expect(seen.charts).toBe(12);
    expect(seen.overflow).toBe(0);
    expect(seen.escaped).toEqual([]);
    expect(seen.unresolved).toBe(0);
  });

  const edges = (
    ['brokenResult', 'hostileResult', 'emptyResult', 'abortedResult', 'manyNodesResult'] as const
  ).flatMap((name) => [1200, 390].map((width) => ({ name, width })));

  it.each(edges)('holds together at the edges: $name, $width px', async ({ name, width }) => {
    const seen = await open(name, { width, colorScheme: 'light' });
    expect(seen.complaints).toEqual([]);
    expect(seen.requests).toEqual([]);
    expect(seen.hidden).toEqual([]);
    expect(seen.overflow).toBe(0);
    expect(seen.escaped).toEqual([]);
  });

  describe('where inline style is forbidden', () => {
    const served = createServer((request, response) => {
      response.setHeader('content-security-policy', JENKINS);
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(renderHtml(results[request.url!.slice(1) as keyof typeof results]));
    });
    beforeAll(async () => {
      served.listen(0, '127.0.0.1');
      await once(served, 'listening');
    });
    afterAll(() => served.close());

    async function openServed(name: keyof typeof results, colorScheme: 'light' | 'dark') {
      const context = await browser.newContext({
        viewport: { width: 1200, height: 900 },
        colorScheme,
      });
      try {
        const page = await context.newPage();
        const complaints: string[] = [];
        page.on('console', (message) => complaints.push(message.text()));
        const { port } = served.address() as AddressInfo;
        await page.goto(`http://127.0.0.1:${port}/${name}`, { timeout: 20_000 });
        const seen = (await page.evaluate(INSPECT)) as Seen;
        return { complaints, seen, plain: (await page.evaluate(INSPECT_PLAIN)) as Plain };
      } finally {
        await context.close();
      }
    }

    it.each(['light', 'dark'] as const)('stays readable, charts included: %s', async (scheme) => {
      const { complaints, seen, plain } = await openServed('turn4Result', scheme);
      // The style sheet alone: no element has a style of its own.
      expect(complaints).toHaveLength(1);
      expect(complaints[0]).toMatch(/inline style/);
      expect([seen.hidden, seen.charts, seen.unresolved]).toEqual([[], 9, 0]);
      expect(plain.narrowest).toBeGreaterThan(300);
      expect(plain.fonts).toEqual(['12px']);
      expect(plain.grounds).toEqual(['rgb(252, 252, 250)']);
      // The arms, and the series of the resources.
      expect(plain.colours.length).toBeGreaterThan(4);
      expect(plain.colours).toEqual(
        expect.arrayContaining(['rgb(185, 85, 11)', 'rgb(27, 102, 181)']),
      );
      expect(plain.keys).toBeGreaterThan(10);
      expect(plain.text).toMatch(/PASS exit 0/);
      expect(plain.text).toMatch(/^before turn4\.before$/m);
      expect(plain.text).toMatch(/ s → \d+ ms$/m);
      // A figure and what is said below it.
      expect(plain.text).not.toMatch(
        /\d (?:ms|%)[a-z]|(?:held|broke)[a-z\d]|\d(?:samples|checked)/,
      );
    });

    it('holds together at the edges', async () => {
      for (const name of ['turn1Result', 'hostileResult', 'emptyResult'] as const) {
        const { complaints, seen } = await openServed(name, 'light');
        expect([name, complaints.length, seen.hidden, seen.unresolved]).toEqual([name, 1, [], 0]);
      }
    });
  });
});
