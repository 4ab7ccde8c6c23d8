// The demo's shop in a real browser: what a newcomer is to see, on a desktop and a phone, light and
// dark, by mouse and by keyboard, and by the names that a screen reader says.
//
//   node storefront.mjs CHROMIUM SHOP CONTROL FOLDER
//
// Screenshots go to FOLDER; `readme.png` of them is docs/storefront.png.

import assert from "node:assert/strict";
import { join } from "node:path";

import { chromium } from "playwright-core";

const [executablePath, shop, control, folder] = process.argv.slice(2);

const DESKTOP = { width: 1360, height: 900 };
const PHONE = { width: 390, height: 844 };

/** Longest wait for what must happen. */
const PATIENCE = 20_000;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const complained = [];
const strangers = [];

/** A page of the shop, with the product on it; whatever it complains of or asks elsewhere is kept. */
async function open(viewport, colorScheme) {
  const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on("pageerror", (error) => complained.push(String(error)));
  page.on("console", (message) => {
    // A browser says by itself that an answer was 404, 429 or 504.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) complained.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(shop).origin) strangers.push(request.url());
  });
  await reset();
  await page.goto(shop);
  await complete(page);
  return page;
}

const reset = () => fetch(`${control}/reset`, { method: "POST" });
const status = (page) => page.locator("#headline");
const says = (page, words) => status(page).filter({ hasText: words }).waitFor();
const button = (page, name) => page.getByRole("button", { name, exact: true });
const shot = (page, name) => page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });

/** On a busy machine a healthy page may be late as well: asked again, as people would. */
async function complete(page) {
  for (const end = Date.now() + PATIENCE; ; ) {
    await says(page, /\w/);
    if (/Complete/.test(await status(page).innerText())) return;
    assert.ok(Date.now() < end, `no whole page: ${await status(page).innerText()}`);
    await page.getByRole("complementary").getByRole("button", { name: "Ask again" }).click();
    await page.waitForTimeout(300);
  }
}

/** Nothing is cut off at the side, whatever the width. */
async function fits(page) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(inner <= outer, `${inner} px wide in ${outer}`);
}

/** Colours of all text against what is behind it: at least 4.5 to 1, or 3 to 1 where it is large (WCAG 1.4.3). */
async function readable(page, name) {
  const weak = await page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgb = (colour) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const over = ([r, g, b, a], [x, y, z]) => [r, g, b].map((c, i) => (c * a + [x, y, z][i] * (255 - a)) / 255);
    const luminance = (colour) => {
      const [r, g, b] = colour.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      if (element === null) return [255, 255, 255];
      const own = rgb(getComputedStyle(element).backgroundColor);
      return own[3] === 255 ? own.slice(0, 3) : over(own, behind(element.parentElement));
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const style = getComputedStyle(element);
      const isShown = walker.currentNode.textContent.trim() !== "" && element.checkVisibility() && !element.closest("[aria-hidden],noscript,.hidden,:disabled");
      if (!isShown) continue;
      const [text, ground] = [luminance(over(rgb(style.color), behind(element))), luminance(behind(element))];
      const contrast = (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
      const isLarge = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && Number(style.fontWeight) >= 700);
      if (contrast < (isLarge ? 3 : 4.5)) found.push(`${contrast.toFixed(2)}: ${walker.currentNode.textContent.trim()}`);
    }
    return found;
  });
  assert.deepEqual(weak, [], `${name}: text that is hard to read`);
}

/** Some are served and some refused at once. A machine that others keep busy may serve none of one burst. */
async function burst(page) {
  const result = page.locator("#burst-result");
  for (const end = Date.now() + PATIENCE; ; ) {
    await button(page, "Send 200 pages").click();
    await result.getByText(/of 200 served in/).waitFor();
    const words = await result.innerText();
    if (/^\s*[1-9]\d* of/.test(words) && /refused 429/.test(words)) return;
    assert.ok(Date.now() < end, words);
  }
}

/** Deadline, partial page, shed and recovery, each in words. */
async function story(page, name) {
  await shot(page, `${name}-complete`);
  await button(page, "Slow down reviews").click();
  await says(page, "Without reviews");
  await page.getByText("Reviews did not come in time.").waitFor();
  await page.getByText("slow, 1.5 s, optional").waitFor();
  await page.getByRole("list", { name: "Where the time went" }).getByText("late").waitFor();
  await readable(page, name);
  await shot(page, `${name}-partial`);

  await button(page, "Slow down pricing").click();
  await says(page, "Refused: too late (504)");
  await page.getByRole("heading", { name: "This page cannot be shown right now" }).waitFor();
  await readable(page, name);
  await shot(page, `${name}-refused`);

  await button(page, "Heal all").click();
  await complete(page);
  await burst(page);
  await readable(page, name);
  await fits(page);
  await shot(page, `${name}-burst`);
  await page.getByRole("complementary").getByRole("button", { name: "Ask again" }).click();
  await complete(page);
}

async function looks() {
  for (const [viewport, device] of [[DESKTOP, "desktop"], [PHONE, "phone"]]) {
    for (const scheme of ["light", "dark"]) {
      const page = await open(viewport, scheme);
      await fits(page);
      await readable(page, `${device} ${scheme}`);
      await story(page, `${device}-${scheme}`);
      await page.context().close();
    }
  }
}

/** Everything by keyboard alone, in the order in which it is read, and always with a visible focus. */
async function keyboard() {
  const page = await open(DESKTOP, "light");
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    const outline = getComputedStyle(element);
    if (element === document.body) return { name: "", seen: true };
    return { name: element.getAttribute("aria-label") ?? element.innerText.trim().replace(/\s+/g, " "), seen: outline.outlineStyle !== "none" };
  });
  const names = [];
  for (let presses = 0; presses < 40; presses += 1) {
    await page.keyboard.press("Tab");
    const { name, seen } = await focused();
    // Past the last one.
    if (name === "") break;
    names.push(name);
    assert.ok(seen, `nobody sees that "${name}" is focused`);
  }
  const buttons = ["Ask again", "Ask every second", "Heal all", ...["product", "pricing", "inventory", "reviews", "recommendations"].map((service) => `Slow down ${service}`), "Send 200 pages"];
  assert.equal(names[0], "Skip to what the gateway does");
  assert.deepEqual(names.filter((name) => buttons.includes(name)), buttons, "the order of the keyboard");

  await page.goto(shop);
  await complete(page);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  for (let presses = 0; (await focused()).name !== "Slow down pricing"; presses += 1) {
    assert.ok(presses < 10, "the keyboard does not come to pricing");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Space");
  await says(page, "Refused: too late (504)");
  // Where it was, with its new name: nobody has to find the way back.
  assert.equal((await focused()).name, "Heal pricing");
  await page.keyboard.press("Enter");
  await says(page, /Complete|Without/);
  await page.context().close();
}

/** What a screen reader says. */
async function names() {
  const page = await open(DESKTOP, "light");
  const watch = page.getByRole("button", { name: "Ask every second" });
  assert.equal(await watch.getAttribute("aria-pressed"), "false");
  await watch.click();
  assert.equal(await watch.getAttribute("aria-pressed"), "true");
  await page.getByRole("img", { name: /The last [3-9] answers: \d+ complete, \d+ with something missing, \d+ refused/ }).waitFor();
  await watch.click();
  assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1);
  for (const role of ["banner", "main", "complementary"]) assert.equal(await page.getByRole(role).count(), 1, role);
  assert.equal(await page.getByRole("main").getByRole("img", { name: "Drawing for Audio" }).count(), 1);
  const unnamed = await page.locator("button, a").evaluateAll((all) => all.filter((one) => !(one.getAttribute("aria-label") ?? one.textContent).trim()).length);
  assert.equal(unnamed, 0);

  await page.getByRole("region", { name: "Goes with it" }).getByRole("link").first().click();
  await page.waitForFunction(() => document.title !== "Fjord 2 Wireless Headphones, Nordhaus");
  await complete(page);
  await page.goto(`${shop}#p-0`);
  await page.getByRole("heading", { name: "There is no such product" }).waitFor();
  await says(page, "Refused: no such product (404)");
  await page.getByRole("link", { name: "To the first product" }).click();
  await complete(page);
  await page.context().close();
}

/** What README.md shows: a service is slow, and the page comes without it. */
async function picture() {
  const page = await open({ width: 1360, height: 1230 }, "light");
  await button(page, "Slow down reviews").click();
  await says(page, "Without reviews");
  await burst(page);
  await page.getByRole("complementary").getByRole("button", { name: "Ask again" }).click();
  await says(page, "Without reviews");
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.move(0, 0);
  await page.screenshot({ path: join(folder, "readme.png") });
  await page.context().close();
}

try {
  await looks();
  await keyboard();
  await names();
  await picture();
  assert.deepEqual(complained, [], "what the browser complained of");
  assert.deepEqual(strangers, [], "what was asked of others");
  console.log("the shop shows deadline, partial page, shed and recovery, by mouse and keyboard, light and dark, large and small");
} finally {
  await reset().catch(() => {});
  await browser.close();
}
