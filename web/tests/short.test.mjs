// The short path of `make test`: the page stylizes what the command stylizes, and sends nothing.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { addPhotos, choose, compare, download, launch, makeFixtures, openPage } from "./browser.mjs";

let folder, browser, open;

before(async () => {
  folder = makeFixtures();
  browser = await launch();
  open = await openPage(browser, folder);
});

after(async () => {
  await open?.close();
  await browser?.close();
});

test("the page stylizes what the command stylizes", { timeout: 200_000 }, async () => {
  const { page, context } = open;
  await page.selectOption("#format", "image/png");
  for (const photo of ["photo", "small"]) {
    await addPhotos(page, [join(folder, `${photo}.png`)]);
    for (const style of ["creatorA", "toon"]) {
      await choose(page, style);
      const { name, bytes } = await download(page, "#download");
      assert.equal(name, `${photo}-${style}.png`);
      const { near, worst } = await compare(context, bytes, readFileSync(join(folder, `${photo}-${style}.png`)));
      assert.ok(near >= 0.999, `${photo} in ${style}: ${near} of the pixels, ${worst} at worst`);
    }
  }
});

test("nothing is sent once the page is there", { timeout: 200_000 }, async () => {
  const { page, host } = open;
  const asked = host.requests.length;
  const refused = (where) => page.evaluate((url) => fetch(url).then(() => false, () => true), where);
  assert.ok(await refused(host.url));
  assert.ok(await refused("https://example.com/"));
  const picture = await page.evaluate(
    (url) => new Promise((done) => Object.assign(new Image(), { onload: () => done("sent"), onerror: () => done("refused"), src: `${url}icon.svg?secret` })),
    host.url,
  );
  assert.equal(picture, "refused");
  assert.deepEqual(host.requests.slice(asked), []);
});
