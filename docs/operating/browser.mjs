// The console in Chromium: on a desktop and a phone, light and dark, by keyboard and by what a screen reader is told. Prints a
// line where it wants something to happen, and goes on when it sees it. Ends with a failure where anything is not so.
//
//   node browser.mjs MODULES CHROMIUM ADMIN ADMIN_WITH_TOKEN TOKEN PICTURES

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [modules, executablePath, admin, guarded, token, pictures] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const SCREENS = [['desktop', DESKTOP, 'light'], ['desktop', DESKTOP, 'dark'], ['phone', PHONE, 'light'], ['phone', PHONE, 'dark']];

/** Asks whoever started this for something. */
const cue = (word) => console.log(word);

async function until(what, holds, seconds = 20) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    assert.ok(Date.now() < end, `not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A page that fails the run when it logs an error, throws one, or asks anybody but its gateway. */
async function open(browser, url, options, expected = []) {
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' });
  const page = await context.newPage();
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && page.wrong.push(message.text()));
  page.on('request', (request) => request.url().startsWith(url) || page.wrong.push(`asked ${request.url()}`));
  page.well = () => assert.deepEqual(page.wrong.filter((text) => !expected.some((part) => text.includes(part))), [], url);
  await page.goto(`${url}/`);
  return page;
}

const state = (page) => page.locator('#headline').getAttribute('data-state');
const focused = (page) => page.evaluate(() => {
  const at = document.activeElement;
  return at.id || at.getAttribute('aria-labelledby') || at.getAttribute('aria-label') || at.textContent.trim();
});

/** What a screen reader is told, and what it would miss (WCAG 2.2, A and AA). */
async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'] }));
  const told = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target).join(' ')}`);
  assert.deepEqual(told, [], name);
  const snapshot = await page.locator('body').ariaSnapshot();
  for (const part of [/heading "product-gateway"/, /heading ". (failing|degraded)"/, /img "Good pages of product-page: [\d.]+ per second now, of [\d.]+ owed\."/,
    /img "Time of pages of product-page: .*deadline is 300 ms/, /table/, /rowheader "pricing required"/, /columnheader "Permits in use"/,
    /cell ".*\d+ of 16/, /button "[\d.]+ m?s: open page /, /button "Pause"/]) {
    assert.match(snapshot, part, `${name}: ${part}`);
  }
}

/** Nothing is cut off at the side: only tables scroll, in boxes of their own. */
async function fits(page, name) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(wide <= window, `${name}: ${wide} px in a window of ${window}`);
}

/** Waits for the waterfall of the page that was opened; if there is none, says what there is. */
async function opened(page) {
  await page.locator('#page .waterfall').waitFor().catch(async (error) => {
    throw new Error(`no waterfall, but: ${await page.locator('#page').innerText()}`, { cause: error });
  });
}

/** From the first key to a waterfall and back, without a mouse. */
async function byKeyboard(page) {
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  const order = [];
  for (let nth = 0; nth < 40 && !order.at(-1)?.includes(': open page '); nth += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused(page));
  }
  assert.deepEqual(order.slice(0, 2), ['Skip to the figures', 'pause'], String(order));
  assert.ok(order.includes('bulkheads-title'), `tables that scroll can be reached: ${order}`);
  const slow = page.locator('#slow .open').first();
  await slow.focus();
  await page.waitForTimeout(2500);
  assert.equal(await page.evaluate(() => Boolean(document.activeElement.closest('#slow'))), true, 'the focus stays in its list while pages come and go');
  await page.keyboard.press('p');
  const chosen = await focused(page);
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'true');
  await page.keyboard.press('Enter');
  await opened(page);
  assert.equal(await focused(page), 'page-close');
  const words = await page.locator('#page').innerText();
  assert.match(words, /GET \/product-page\/\{id\}/);
  assert.match(words, /pricing/);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#page').evaluate((dialog) => dialog.open), false);
  assert.equal(await focused(page), chosen, 'the focus is where it was');
  await page.keyboard.press('p');
  assert.equal(await page.locator('#pause').getAttribute('aria-pressed'), 'false');
}

/** Asked for the token, told when it is wrong, and let in with the right one; then the gateway goes. */
async function withToken(browser) {
  const page = await open(browser, guarded, { viewport: PHONE }, ['401', 'ERR_', 'net::']);
  const field = page.getByLabel('Admin token');
  await field.waitFor();
  assert.equal(await page.locator('#main').isVisible(), false);
  await field.fill('not-the-token-at-all');
  await page.keyboard.press('Enter');
  await page.getByText('The gateway does not take this token.').waitFor();
  await field.fill(token);
  await page.keyboard.press('Enter');
  await page.locator('#headline').waitFor();
  await page.reload();
  await page.locator('#headline').waitFor();
  assert.ok(!page.url().includes(token));
  cue('stop the other gateway');
  await page.getByText('the gateway cannot be reached').waitFor({ timeout: 20_000 });
  assert.equal(await page.locator('#main').isVisible(), true, 'what was seen last stays');
  page.well();
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
try {
  const screens = [];
  for (const [name, viewport, colorScheme] of SCREENS) {
    screens.push([`${name}-${colorScheme}`, await open(browser, admin, { viewport, colorScheme, deviceScaleFactor: 1 })]);
  }
  const [[, first]] = screens;
  await until('pages that are good', async () => (await state(first)) === 'good');
  await first.waitForTimeout(6000);
  cue('slow pricing');
  await until('an incident that is seen', async () => ['degraded', 'failing'].includes(await state(first)));
  await until('pages refused, with the key that would change it', async () => (await first.locator('#refusals').innerText()).includes('downstream.pricing.permits'));
  await first.waitForTimeout(4000);
  cue('override a key');
  await until('the change as a mark in both charts', async () => (await first.locator('.mark').count()) >= 2);
  assert.match(await first.locator('#changes').innerText(), /override, applied: page\.product-page\.max_wait/);
  await first.waitForTimeout(6000);
  const grounds = new Set();
  for (const [name, page] of screens) {
    grounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await fits(page, name);
    await accessible(page, name);
    await page.screenshot({ path: `${pictures}/console-${name}.png`, ...(name.startsWith('desktop') && { fullPage: true, clip: { x: 0, y: 0, width: DESKTOP.width, height: 1500 } }) });
  }
  assert.equal(grounds.size, 2, 'light and dark are not the same');
  await byKeyboard(first);
  for (const [name, page] of screens) {
    await page.keyboard.press('p');
    await page.locator('#slow .open').first().click();
    await opened(page);
    await fits(page, name);
    await page.screenshot({ path: `${pictures}/page-${name}.png` });
    page.well();
  }
  await withToken(browser);
} finally {
  await browser.close();
}
