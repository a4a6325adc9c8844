// Chromium with the page open, and pictures compared.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { serve } from "./serve.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const RESULTS = join(here, "../results");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Make the fixtures with the command of this clone; they lie in results/fixtures. */
export function makeFixtures({ all = false } = {}) {
  const folder = join(RESULTS, all ? "fixtures" : "short-fixtures");
  mkdirSync(folder, { recursive: true });
  const python = process.env.PYTHON ?? "python3";
  const options = { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, OMP_NUM_THREADS: "1" } };
  execFileSync(python, [join(here, "fixtures.py"), folder, ...(all ? ["--all"] : [])], options);
  return folder;
}

/** A browser; its absence is named with its remedy. */
export async function launch(more = []) {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no ${CHROMIUM}: apt install chromium, or set CHROMIUM`);
  return chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", ...more] });
}

/** Seconds of processor that this test's browser has taken: what a busy machine does not change. */
export function cpuSeconds() {
  const processes = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
      processes.set(Number(pid), { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) });
    } catch {
      // It ended in the meantime.
    }
  }
  const ours = (pid) => pid === process.pid || (processes.has(pid) && ours(processes.get(pid).parent));
  let ticks = 0;
  for (const [pid, { parent, ticks: own }] of processes) if (ours(parent)) ticks += own;
  return ticks / 100;
}

/** Most memory that any one process of this test's browser has had, in bytes. */
export function mostMemory() {
  const sizes = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) return 0;
      return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
  return Math.max(...sizes);
}

/** The page of `folder` in a context of its own, with its first photo stylized. */
export async function openPage(browser, folder, options = {}) {
  const host = await serve(join(folder, "page"));
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB", ...options });
  const close = async () => {
    await context.close();
    await host.close();
  };
  try {
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(host.url);
    await stylized(page);
    return { page, context, host, errors, close, ready: () => allThere(page) };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Wait until the page has all that it ever loads. */
export const allThere = (page) => page.waitForSelector("html[data-ready]", { timeout: 240_000 });

/** Make a style called `name` from picture files, and wait until the photo in hand is shown in it. */
export async function makeStyle(page, name, pictures) {
  await page.setInputFiles("#make input[type=file]", pictures);
  await page.fill("#style-name", name);
  await page.click("#make-style");
  const ended = (made) => document.querySelector("#made").textContent.includes(`${made} is made`) || document.querySelector("#make .error").textContent;
  const told = await (await page.waitForFunction(ended, name, { timeout: 600_000 })).jsonValue();
  if (told !== true) throw new Error(told);
  await stylized(page, `own/${name}`);
}

/** Wait until nothing is left to stylize, and the photo in hand is shown in `style`, at `strength`. */
export async function stylized(page, style = "", strength = "") {
  await page.waitForFunction(
    ([wantedStyle, wantedStrength]) => {
      const [, shownStyle, shownStrength] = document.querySelector("canvas.after")?.dataset.stylized?.split(" ") ?? [];
      const idle = document.querySelector("#stage")?.getAttribute("aria-busy") === "false";
      return idle && shownStyle && (!wantedStyle || shownStyle === wantedStyle) && (!wantedStrength || shownStrength === wantedStrength);
    },
    [style, String(strength)],
    { timeout: 120_000 },
  );
}

export const choose = async (page, style) => {
  await page.check(`.style input[value="${style}"]`);
  await stylized(page, style);
};

export const addPhotos = async (page, files) => {
  const before = await page.getAttribute("canvas.after", "data-stylized");
  await page.setInputFiles("#stage input[type=file]", files);
  await page.waitForFunction((old) => document.querySelector("canvas.after").dataset.stylized !== old, before, { timeout: 120_000 });
  await stylized(page);
};

/** Click, and give the bytes of what is downloaded. */
export async function download(page, selector) {
  const [file] = await Promise.all([page.waitForEvent("download", { timeout: 240_000 }), page.click(selector)]);
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

/** Share of pixels within 1/255 of each other in every channel, and the largest difference. */
export async function compare(context, first, second) {
  const page = await context.newPage();
  const told = await page.evaluate(
    async (files) => {
      const [a, b] = await Promise.all(
        files.map(async (text) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const bitmap = await createImageBitmap(new Blob([bytes]));
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          canvas.drawImage(bitmap, 0, 0);
          return canvas.getImageData(0, 0, bitmap.width, bitmap.height);
        }),
      );
      if (a.width !== b.width || a.height !== b.height) return { near: 0, worst: 255, size: [a.width, a.height, b.width, b.height] };
      let [far, worst] = [0, 0];
      for (let k = 0; k < a.data.length; k += 4) {
        const off = Math.max(...[0, 1, 2].map((c) => Math.abs(a.data[k + c] - b.data[k + c])));
        if (off > 1) far++;
        worst = Math.max(worst, off);
      }
      return { near: 1 - far / (a.width * a.height), worst };
    },
    [first, second].map((bytes) => bytes.toString("base64")),
  );
  await page.close();
  return told;
}
