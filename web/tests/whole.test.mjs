// Everything that the page does, as people do it: `make test-web`. Figures and pictures go to results/.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { addPhotos, allThere, choose, compare, cpuSeconds, download, launch, makeFixtures, makeStyle, mostMemory, openPage, stylized, RESULTS } from "./browser.mjs";
import { serve } from "./serve.mjs";

const PATIENT = { timeout: 900_000 };
const PYTHON = process.env.PYTHON ?? "python3";
const figures = {};
let folder, browser, open;

const influ = (...words) => execFileSync(PYTHON, ["-m", "stylegan_cli", ...words], { encoding: "utf8", cwd: folder });
const fixture = (name) => join(folder, name);
const shot = (page, name, fullPage = true) => page.screenshot({ path: join(RESULTS, `${name}.png`), fullPage });

before(async () => {
  folder = makeFixtures({ all: true });
  browser = await launch();
  open = await openPage(browser, folder);
  await open.ready();
}, PATIENT);

afterEach(() => writeFileSync(join(RESULTS, "figures.json"), `${JSON.stringify(figures, null, 2)}\n`));

after(async () => {
  await open?.close();
  await browser?.close();
});

test("from an empty page to a stylized photo in a style of one's own", PATIENT, async () => {
  const host = await serve(join(folder, "page"));
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-GB" });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await context.tracing.start({ screenshots: true, snapshots: false });
  const seconds = {};
  const clock = async (name, act) => {
    const [begin, busy] = [performance.now(), cpuSeconds()];
    await act();
    seconds[name] = { wall: Math.round(performance.now() - begin) / 1000, cpu: Math.round(100 * (cpuSeconds() - busy)) / 100 };
  };
  await clock("page opened for the first time, first photo stylized", async () => {
    await page.goto(host.url);
    await stylized(page);
  });
  await allThere(page);
  // The second time it comes from the browser. Then there is no network at all.
  await clock("page opened again, first photo stylized", async () => {
    await page.reload();
    await stylized(page);
  });
  await allThere(page);
  const asked = host.requests.length;
  const cdp = await context.newCDPSession(page);
  await cdp.send("Network.enable");
  const sent = [];
  cdp.on("Network.requestWillBeSent", ({ request }) => /^(blob|data):/.test(request.url) || sent.push(request.url));
  await page.waitForTimeout(5000); // browsers look for a newer service worker some seconds after a visit
  assert.deepEqual(host.requests.slice(asked), []);
  await context.setOffline(true);
  const pictures = readdirSync(fixture("pictures")).map((name) => join(fixture("pictures"), name));
  await clock(`a style from ${pictures.length} pictures`, () => makeStyle(page, "learnt", pictures));
  await clock("the photo of 768 x 601 in it", () => addPhotos(page, [fixture("photo.png")]));
  let result;
  await clock("its result downloaded", async () => (result = await download(page, "#download")));
  assert.equal(result.name, "photo-learnt.jpg");
  await shot(page, "1-own-style");
  await context.tracing.stop({ path: join(RESULTS, "trace.zip") });
  figures.seconds = seconds;

  const style = await download(page, "#save-style");
  writeFileSync(fixture("from-page.safetensors"), style.bytes);
  const told = JSON.parse(
    execFileSync(PYTHON, ["-c", COMPARE_STYLES, fixture("from-page.safetensors"), fixture("learnt.safetensors")], { encoding: "utf8" }),
  );
  figures.style = told;
  assert.ok(told.code <= 1e-3, `codes differ by ${told.code}`);
  assert.deepEqual(told.mode, told.wantedMode);
  await page.selectOption("#format", "image/png");
  const png = await download(page, "#download");
  writeFileSync(fixture("own.png"), png.bytes);
  influ("stylize", "photo.png", "--model", "from-page.safetensors", "--out", "own-command.png", "--overwrite", "--precision", "f32");
  const { near } = await compare(context, png.bytes, readFileSync(fixture("own-command.png")));
  assert.ok(near >= 0.999, `${near} of the pixels of the page's own style`);

  await page.click("#copy-code");
  await page.waitForFunction(() => document.querySelector("#code").value.startsWith("influ1:"), null, { timeout: 300_000 });
  const line = await page.inputValue("#code");
  influ("styles", "add", "from-code", "--code", line, "-o", "from-code.safetensors", "--overwrite");
  await page.fill("#paste-code", line);
  await page.click("#use-code");
  await stylized(page, "own/from-code");
  figures.afterLoad = { requestsSeenByHost: host.requests.length - asked, requestsSeenByBrowser: sent.length };
  assert.deepEqual([host.requests.slice(asked), sent], [[], []]);
  await context.setOffline(false);
  await page.reload();
  await allThere(page);
  assert.equal(await page.locator(".style input[value='own/learnt']").count(), 1, "a style outlives the page");
  await page.check(".style input[value='own/learnt']");
  await page.click("#remove-style");
  assert.equal(await page.locator(".style input[value='own/learnt']").count(), 0);
  assert.deepEqual(errors, []);
  await context.close();
  await host.close();
});

test("a style from JPEGs of 1 to 12 megapixels is the command's", PATIENT, async () => {
  const { page } = open;
  const pictures = readdirSync(fixture("large")).map((name) => join(fixture("large"), name));
  await makeStyle(page, "large", pictures);
  const style = await download(page, "#save-style");
  writeFileSync(fixture("large-from-page.safetensors"), style.bytes);
  const told = JSON.parse(
    execFileSync(PYTHON, ["-c", COMPARE_STYLES, fixture("large-from-page.safetensors"), fixture("large.safetensors")], { encoding: "utf8" }),
  );
  figures.largePictures = told;
  assert.ok(told.code <= 1e-3, `codes differ by ${told.code}`);
});

const COMPARE_STYLES = `
import json, sys
import numpy as np
from pathlib import Path
from stylegan_cli.styles import read_model, read_style, shipped_model
base = read_model(shipped_model()).base
ours, wanted = (read_style(Path(path), base) for path in sys.argv[1:])
gap = lambda a, b: 0.0 if a is b is None else float(np.abs(a - b).max())
print(json.dumps({
    "code": gap(ours.code, wanted.code), "matrix": gap(ours.matrix, wanted.matrix),
    "calibration": gap(ours.calibration, wanted.calibration),
    "mode": [ours.info.mode, ours.info.working_size], "wantedMode": [wanted.info.mode, wanted.info.working_size],
}))
`.trim();

test("every shipped style is the command's", PATIENT, async () => {
  const { page, context } = open;
  await page.selectOption("#format", "image/png");
  figures.equality = {};
  for (const photo of ["photo", "small"]) {
    await addPhotos(page, [fixture(`${photo}.png`)]);
    for (const file of readdirSync(folder).filter((name) => name.startsWith(`${photo}-`))) {
      const style = file.slice(photo.length + 1, -4);
      await choose(page, style);
      const { bytes } = await download(page, "#download");
      const told = await compare(context, bytes, readFileSync(fixture(file)));
      figures.equality[file] = told;
      assert.ok(told.near >= 0.999, `${file}: ${JSON.stringify(told)}`);
    }
  }
  await addPhotos(page, [fixture("photo.png")]);
  await choose(page, "creatorA");
  await page.locator("#strength").fill("50");
  await stylized(page, "creatorA", "0.5");
  const { bytes } = await download(page, "#download");
  const told = await compare(context, bytes, readFileSync(fixture("half-creatorA.png")));
  assert.ok(told.near >= 0.999, `half strength: ${JSON.stringify(told)}`);
  await page.locator("#strength").fill("100");
});

test("metadata stays, the place goes, the label comes, as in the command's results", PATIENT, async () => {
  const { page } = open;
  execFileSync(PYTHON, ["-c", MAKE_TAGGED, folder]);
  await choose(page, "noir");
  for (const source of ["tagged.jpg", "tagged.png", "plain.jpg"]) {
    await addPhotos(page, [fixture(source)]);
    for (const [type, ending] of [["image/jpeg", "jpg"], ["image/png", "png"]]) {
      await page.selectOption("#format", type);
      writeFileSync(fixture(`ours.${ending}`), (await download(page, "#download")).bytes);
      influ("stylize", source, "--style", "noir", "-o", `theirs.${ending}`, "--overwrite");
      const [ours, theirs] = ["ours", "theirs"].map((name) =>
        JSON.parse(execFileSync(PYTHON, ["-c", READ_TAGS, fixture(`${name}.${ending}`)], { encoding: "utf8" })),
      );
      assert.deepEqual(ours, theirs, `${source} as ${ending}`);
      assert.match(JSON.stringify(ours.xmp), /compositeWithTrainedAlgorithmicMedia/);
      assert.doesNotMatch(JSON.stringify(ours), /Ulm|48,24N/);
      if (source.startsWith("tagged")) assert.match(JSON.stringify(ours), /Anna.*Kept words/s);
    }
  }
});

const MAKE_TAGGED = String.raw`
import struct, sys
from pathlib import Path
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational
folder = Path(sys.argv[1])
exif = Image.Exif()
exif[0x0112], exif[0x013B] = 6, "Anna"
exif.get_ifd(0x8769).update({0x829A: IFDRational(1, 100), 0x9214: (10, 5, 8, 4), 0xA002: 60, 0xA003: 40})
exif.get_ifd(0x8825)[1] = "N"
xmp = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
  '<rdf:Description rdf:about="" xmlns:ps="http://ns.adobe.com/photoshop/1.0/" ps:City="Ulm" ps:Credit="Kept words" '
  'xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,24N" exif:PixelXDimension="60" '
  'xmlns:dji="http://www.dji.com/drone-dji/1.0/" dji:AbsoluteAltitude="+480" '
  'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
  'xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" ext:AISystemUsed="another">'
  '<ext:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource"><ext:City>Ulm</ext:City></rdf:li></rdf:Bag></ext:LocationCreated>'
  '<r:Regions xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" rdf:parseType="Resource">'
  '<r:AppliedToDimensions xmlns:d="http://ns.adobe.com/xap/1.0/sType/Dimensions#" d:w="60" d:h="40" d:unit="pixel"/>'
  '<r:RegionList><rdf:Bag><rdf:li><rdf:Description r:Name="Anna"><r:Area xmlns:a="http://ns.adobe.com/xmp/sType/Area#" '
  'a:x="0.25" a:y="0.75" a:w="0.1" a:h="0.2" a:unit="normalized"/></rdf:Description></rdf:li></rdf:Bag></r:RegionList></r:Regions>'
  '</rdf:Description></rdf:RDF></x:xmpmeta>').encode()
dataset = lambda number, text: struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text
iptc = dataset(90, b"Ulm") + dataset(120, b"Kept words") + b"\x1c\x02\x65\x80\x04\x00\x00\x00\x03Ulm"
block = lambda kind, body: b"8BIM" + struct.pack(">HHI", kind, 0, len(body)) + body + bytes(len(body) % 2)
resources = block(0x0404, iptc) + block(0x040C, b"thumbnail") + block(0x03ED, b"resolution!")
segment = b"Photoshop 3.0\0" + resources
image = Image.linear_gradient("L").resize((60, 40)).convert("RGB")
image.save(folder / "tagged.jpg", exif=exif, xmp=xmp, dpi=(300, 150), comment=b"by Anna",
  extra=b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment)
text = PngInfo()
text.add_text("Title", "Kept words")
text.add_text("GPSNote", "48,24N")
text.add_itxt("XML:com.adobe.xmp", xmp.decode())
image.save(folder / "tagged.png", exif=exif, pnginfo=text, dpi=(300, 150))
image.save(folder / "plain.jpg")
`.trim();

const READ_TAGS = `
import json, sys
from pathlib import Path
from PIL import Image
from stylegan_cli.pictures import read_picture
from stylegan_cli.pictures.metadata import xmp as packets
path = Path(sys.argv[1])
metadata, exif = read_picture(path).metadata, Image.open(path).getexif()
document = packets.parse(metadata.xmp)
said = sorted([a.namespaceURI, a.localName, a.value] for e in packets.elements(document) for a in e.attributes.values() if a.namespaceURI != packets.XMLNS)
said += sorted([e.namespaceURI, e.localName, packets.text_of(e).strip()] for e in packets.elements(document))
plain = lambda fields: {hex(tag): str(value) for tag, value in sorted(fields.items()) if tag not in (0x8769, 0x8825)}
print(json.dumps({"size": Image.open(path).size, "exif": plain(exif), "details": plain(exif.get_ifd(0x8769)), "gps": plain(exif.get_ifd(0x8825)),
  "xmp": said, "iptc": (metadata.resources or b"").hex(), "dpi": metadata.dpi and [round(side) for side in metadata.dpi],
  "words": (metadata.comment or b"").decode(), "text": [body.decode("latin-1") for _, body in metadata.text],
  "known": bytes.fromhex((metadata.resources or b"").hex()).decode("latin-1")}))
`.trim();

test("a refined style says why it is no line, and a .cube is the command's", PATIENT, async () => {
  const { page } = open;
  await choose(page, "vangogh");
  await page.click("#copy-code");
  await page.waitForFunction(() => document.querySelector("#shared").textContent.includes("refined"));
  const { name, bytes } = await download(page, "#save-cube");
  assert.equal(name, "vangogh.cube");
  influ("export", "vangogh", "-o", "vangogh.cube", "--overwrite");
  const numbers = (text) => text.split("\n").filter((line) => /^[\d.]+ [\d.]+ /.test(line)).flatMap((line) => line.split(" ").map(Number));
  const [ours, theirs] = [numbers(bytes.toString()), numbers(readFileSync(fixture("vangogh.cube"), "utf8"))];
  assert.equal(ours.length, theirs.length);
  const worst = ours.reduce((most, value, k) => Math.max(most, Math.abs(value - theirs[k])), 0);
  assert.ok(worst < 1e-4, `${worst}`);
});

test("failures are told in a sentence", PATIENT, async () => {
  const { page, errors } = open;
  writeFileSync(fixture("no-picture.jpg"), "this is text");
  await page.setInputFiles("#stage input[type=file]", [fixture("no-picture.jpg")]);
  await page.waitForFunction(() => document.querySelector("#stage .error").textContent.includes("can't read that picture"));
  await page.setInputFiles("#share input[type=file]", [fixture("no-picture.jpg")]);
  await page.waitForFunction(() => document.querySelector("#share .error").textContent.includes("not a style file"));
  await page.fill("#paste-code", "influ1:abcd");
  await page.click("#use-code");
  await page.waitForFunction(() => document.querySelector("#share .error").textContent.includes("typo"));
  await page.setInputFiles("#make input[type=file]", [fixture("photo.png")]);
  await page.fill("#style-name", "../x");
  await page.click("#make-style");
  await page.waitForFunction(() => document.querySelector("#make .error").textContent.includes("letters"));
  assert.deepEqual(errors, []);
});

test("a feed of nine shows its outlier", PATIENT, async () => {
  const { page } = open;
  const photos = execFileSync(PYTHON, ["-c", MAKE_FEED, folder], { encoding: "utf8" }).trim().split("\n");
  const fresh = await openPage(browser, folder);
  await addPhotos(fresh.page, photos);
  await fresh.page.click("#show-feed");
  await fresh.page.waitForSelector(".feed li", { timeout: 120_000 });
  assert.equal(await fresh.page.locator(".feed li").count(), 9);
  assert.equal(await fresh.page.locator(".feed li.outlier").count(), 1);
  assert.ok(await fresh.page.locator(".feed li").nth(4).evaluate((item) => item.classList.contains("outlier")));
  await shot(fresh.page, "2-feed");
  await fresh.close();
  assert.ok(page);
});

const MAKE_FEED = `
import sys
import numpy as np
from pathlib import Path
from PIL import Image
from stylegan_cli.runtime.resources import starter_photos
photo = np.asarray(Image.open(starter_photos()[1]).convert("RGB"), float)
for index in range(9):
    tint = np.array([0.55, 0.8, 1.25]) if index == 4 else 1 + 0.01 * index
    path = Path(sys.argv[1]) / f"feed{index}.png"
    Image.fromarray((photo * tint).clip(0, 255).astype(np.uint8)).save(path)
    print(path)
`.trim();

test("a clip is stylized where the browser can", PATIENT, async () => {
  const { page } = open;
  execFileSync(PYTHON, ["-c", MAKE_CLIP, fixture("clip.webm")]);
  await choose(page, "noir");
  await page.setInputFiles("#clip input[type=file]", [fixture("clip.webm")]);
  const { name, bytes } = await download(page, "#stylize-clip");
  assert.equal(name, "clip-noir.mp4");
  writeFileSync(fixture("clip.mp4"), bytes);
  const told = JSON.parse(execFileSync(PYTHON, ["-c", READ_CLIP, fixture("clip.mp4")], { encoding: "utf8" }));
  assert.equal(told.frames, 12);
  assert.ok(told.colourfulness < 6, "noir has no colour");
});

const MAKE_CLIP = `
import sys, av
import numpy as np
with av.open(sys.argv[1], "w") as out:
    stream = out.add_stream("libvpx-vp9", rate=12)
    stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
    for k in range(12):
        picture = np.full((120, 160, 3), (200, 90, 60), np.uint8)
        picture[40:80, 10 * k : 10 * k + 40] = (40, 120, 220)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    out.mux(stream.encode())
`.trim();

const READ_CLIP = `
import json, sys, av
with av.open(sys.argv[1]) as clip:
    frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in clip.decode(video=0)]
print(json.dumps({"frames": len(frames), "colourfulness": float((frames[0].max(2) - frames[0].min(2)).mean())}))
`.trim();

test("a photo of 48 MP is stylized, and the tab lives", PATIENT, async () => {
  execFileSync(PYTHON, ["-c", "import sys; from PIL import Image; Image.open(sys.argv[1]).convert('RGB').resize((8000, 6000)).save(sys.argv[2], quality=90)", fixture("photo.png"), fixture("large.jpg")]);
  const fresh = await openPage(browser, folder);
  await choose(fresh.page, "creatorA");
  const begin = performance.now();
  await addPhotos(fresh.page, [fixture("large.jpg")]);
  const shown = performance.now();
  const { bytes } = await download(fresh.page, "#download");
  figures.large = { megapixels: 48, shownSeconds: (shown - begin) / 1000, downloadedSeconds: (performance.now() - shown) / 1000, mostMemoryBytes: mostMemory() };
  writeFileSync(fixture("large-stylized.jpg"), bytes);
  const size = execFileSync(PYTHON, ["-c", "import sys; from PIL import Image; print(*Image.open(sys.argv[1]).size)", fixture("large-stylized.jpg")], { encoding: "utf8" });
  assert.equal(size.trim(), "8000 6000");
  assert.deepEqual(fresh.errors, []);
  await fresh.close();
});

test("two megapixels: a drawn style and a style of colour", PATIENT, async () => {
  execFileSync(PYTHON, ["-c", "import sys; from PIL import Image; Image.open(sys.argv[1]).convert('RGB').resize((1600, 1252)).save(sys.argv[2], quality=92)", fixture("photo.png"), fixture("two.jpg")]);
  const { page } = open;
  await choose(page, "toon");
  const [begin, busy] = [performance.now(), cpuSeconds()];
  await addPhotos(page, [fixture("two.jpg")]);
  await download(page, "#download");
  figures.twoMegapixels = { drawnSeconds: (performance.now() - begin) / 1000, drawnCpuSeconds: cpuSeconds() - busy };
  // Strength alone changes: the colour table over all pixels of the screen, and no network.
  const [again, start] = [performance.now(), cpuSeconds()];
  await page.locator("#strength").fill("70");
  await stylized(page, "toon", "0.7");
  figures.twoMegapixels.strengthSeconds = (performance.now() - again) / 1000;
  figures.twoMegapixels.strengthCpuSeconds = cpuSeconds() - start;
  await page.locator("#strength").fill("100");
  figures.twoMegapixels.colourStyles = {};
  for (const style of ["noir", "teal_orange", "noir"]) {
    const [clicked, used] = [performance.now(), cpuSeconds()];
    await page.check(`.style input[value="${style}"]`);
    await page.waitForFunction(
      (wanted) => ["coloured", "stylized"].some((which) => document.querySelector("canvas.after").dataset[which]?.split(" ").includes(wanted)),
      style,
    );
    const [coloured, colouredCpu] = [(performance.now() - clicked) / 1000, cpuSeconds() - used];
    await stylized(page, style);
    const name = style in figures.twoMegapixels.colourStyles ? `${style} again` : style;
    figures.twoMegapixels.colourStyles[name] = { colouredSeconds: coloured, colouredCpuSeconds: colouredCpu, wholeSeconds: (performance.now() - clicked) / 1000, cpuSeconds: cpuSeconds() - used };
  }
});

test("the graphics processor gives the colours that the processor gives", PATIENT, async () => {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(import.meta.dirname, "colourOnGpu.ts")], bundle: true, write: false, format: "iife", target: "es2022" },
    define: { "import.meta.url": "self.location.href" },
  });
  const software = await launch(["--enable-unsafe-swiftshader"]);
  const page = await software.newPage();
  const run = (source) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(URL.createObjectURL(new Blob([source])));
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
    });
  const told = await page.evaluate(run, outputFiles[0].text);
  await software.close();
  figures.graphicsProcessor = told;
  assert.ok(told, "this browser has no WebGL2");
  for (const { near, changed } of told) assert.ok(near >= 0.999 && changed > 0.5, JSON.stringify(told));
});

test("no violation of axe, in both languages, both themes, at phone and desktop width", PATIENT, async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  figures.axe = {};
  for (const [name, options] of Object.entries({
    "desktop-light": { viewport: { width: 1280, height: 900 }, colorScheme: "light" },
    "phone-dark": { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
    "phone-light-zh": { viewport: { width: 390, height: 844 }, colorScheme: "light", locale: "zh-CN" },
    "desktop-dark-zh": { viewport: { width: 1280, height: 900 }, colorScheme: "dark", locale: "zh-CN" },
  })) {
    const fresh = await openPage(browser, folder, options);
    await fresh.ready();
    await addPhotos(fresh.page, [fixture("photo.png"), fixture("small.png")]);
    await choose(fresh.page, "hiroshige");
    const wide = await fresh.page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    assert.equal(wide, false, `${name} scrolls sideways`);
    assert.equal(await fresh.page.getAttribute("html", "lang"), name.endsWith("zh") ? "zh-CN" : "en");
    await shot(fresh.page, `3-${name}`);
    const { violations } = await fresh.page.evaluate(`${axe}; axe.run()`);
    figures.axe[name] = violations.length;
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), [], name);
    await fresh.close();
  }
});

test("the keyboard reaches everything", PATIENT, async () => {
  const fresh = await openPage(browser, folder);
  await fresh.ready();
  const reached = new Set();
  for (let k = 0; k < 60; k++) {
    await fresh.page.keyboard.press("Tab");
    reached.add(await fresh.page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.className || document.activeElement.textContent));
  }
  for (const wanted of ["language", "theme", "strength", "download", "format", "split", "style", "style-name", "save-style", "save-cube", "copy-code", "paste-code", "show-feed"]) {
    assert.ok(reached.has(wanted), `${wanted} is not reached: ${[...reached]}`);
  }
  await fresh.page.focus(".style input:checked");
  await fresh.page.keyboard.press("ArrowRight");
  await stylized(fresh.page, "noir");
  await fresh.close();
});

test("how fast the page loads, as Lighthouse tells it", PATIENT, async () => {
  const kilobits = 1000 / 8;
  const lines = { loopback: null, "10 Mbit/s": { downloadThroughput: 10_000 * kilobits, uploadThroughput: 5_000 * kilobits, latency: 40, offline: false } };
  figures.load = {};
  for (const [line, conditions] of Object.entries(lines)) {
    const host = await serve(join(folder, "page"), { gzip: true });
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const cdp = await context.newCDPSession(page);
    await cdp.send("Network.enable");
    if (conditions) await cdp.send("Network.emulateNetworkConditions", conditions);
    await page.addInitScript(() => {
      window.seen = { largestPaint: 0, blocked: 0, shift: 0 };
      const watch = (type, take) => new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
      watch("largest-contentful-paint", ({ startTime }) => (window.seen.largestPaint = startTime));
      watch("longtask", ({ duration }) => (window.seen.blocked += duration - 50));
      watch("layout-shift", ({ value, hadRecentInput }) => (window.seen.shift += hadRecentInput ? 0 : value));
    });
    const begin = performance.now();
    await page.goto(host.url);
    await stylized(page);
    const firstPhoto = (performance.now() - begin) / 1000;
    const bytesForFirst = host.sent();
    await allThere(page);
    const told = await page.evaluate(() => ({
      firstContentfulPaint: performance.getEntriesByName("first-contentful-paint")[0].startTime / 1000,
      largestContentfulPaint: window.seen.largestPaint / 1000,
      totalBlockingSeconds: window.seen.blocked / 1000,
      layoutShift: window.seen.shift,
      elements: document.querySelectorAll("*").length,
      requests: performance.getEntriesByType("resource").length + 1,
    }));
    figures.load[line] = { ...told, firstPhotoSeconds: firstPhoto, allThereSeconds: (performance.now() - begin) / 1000, bytesForFirstPhoto: bytesForFirst, bytes: host.sent() };
    assert.ok(told.layoutShift < 0.1, JSON.stringify(told)); // what Lighthouse calls good
    await context.close();
    await host.close();
  }
});

test("the page opens without a network once it was open, and is small", PATIENT, async () => {
  const fresh = await openPage(browser, folder);
  await fresh.ready();
  await fresh.page.evaluate(() => navigator.serviceWorker.ready);
  await fresh.page.waitForFunction(async () => (await caches.keys()).length > 0);
  await fresh.host.close();
  await fresh.page.reload();
  await stylized(fresh.page);
  await fresh.ready();
  await fresh.context.close();
  const size = (name) => gzipSync(readFileSync(join(folder, "page", name))).length;
  const first = ["index.html", "style.css", "page.js", "worker.js", "ort.wasm.gz", "model/stylize.safetensors"];
  figures.bytes = { firstLookGzipped: first.reduce((sum, name) => sum + size(name), 0), learn: size("model/learn.safetensors") };
  assert.ok(figures.bytes.firstLookGzipped <= 8e6, JSON.stringify(figures.bytes));
  assert.ok(existsSync(join(folder, "page", "licences.txt")));
});

/** Train for some seconds on six pictures: progress, report, and the style among the page's own. */
async function trainIn(page, context, home) {
  const creator = join(home, "creator");
  mkdirSync(creator, { recursive: true });
  for (const name of readdirSync(fixture("pictures")).slice(0, 6)) copyFileSync(join(fixture("pictures"), name), join(creator, name));
  await page.fill("#train-folder", creator);
  await page.fill("#train-name", "trained");
  await page.fill("#train-minutes", "0.3");
  await page.click("#train");
  const row = page.locator(".job").first();
  await row.locator("h3", { hasText: "Running: trained" }).waitFor();
  await row.locator("p", { hasText: /: \d+ \/ \d+/ }).waitFor({ timeout: 240_000 }); // how far it is
  const link = row.locator("a");
  await link.waitFor({ timeout: 400_000 });
  const [report] = await Promise.all([context.waitForEvent("page"), link.click()]);
  await report.waitForSelector("h2");
  assert.equal(await report.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(250, 250, 250)", "it has its style");
  assert.match(await report.title(), /trained/);
  await report.screenshot({ path: join(RESULTS, "5-training-report.png") });
  await report.close();
  await shot(page, "4-ui-training");
  await row.locator("h3", { hasText: "Done: trained" }).waitFor({ timeout: 400_000 });
  assert.ok(existsSync(join(home, "styles", "trained.safetensors")));
  await page.check(".style input[value='computer/trained']");
  await stylized(page, "computer/trained");
}

test("under influ ui it stylizes on several threads, and a folder by the command", PATIENT, async () => {
  const home = fixture("home");
  mkdirSync(home, { recursive: true });
  const served = spawn(PYTHON, ["-m", "stylegan_cli", "ui", "--no-browser", "--runs", join(home, "runs")], {
    env: { ...process.env, INFLU_STYLES: join(home, "styles") },
  });
  const ended = new Promise((resolve) => served.on("exit", resolve));
  const address = await new Promise((resolve) => {
    served.stderr.on("data", (said) => {
      const [found] = /http:\S+/.exec(String(said)) ?? [];
      if (found) resolve(found);
    });
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto(address);
  await stylized(page);
  assert.equal(await page.evaluate(() => crossOriginIsolated), true);
  await page.waitForSelector("html[data-ready]", { timeout: 240_000 });
  await page.selectOption("#format", "image/png");
  await addPhotos(page, [fixture("photo.png")]);
  await choose(page, "toon");
  const { bytes } = await download(page, "#download");
  const { near } = await compare(context, bytes, readFileSync(fixture("photo-toon.png")));
  assert.ok(near >= 0.999, `${near}`);
  const out = join(home, `results-${Date.now()}`);
  await page.fill("#folder-in", fixture("small.png"));
  await page.fill("#folder-out", out);
  await page.click("#stylize-folder");
  await page.waitForFunction(() => /^Done/.test(document.querySelector("#jobs h3")?.textContent ?? ""), null, { timeout: 240_000 });
  assert.deepEqual(readdirSync(out), ["small.png"]);
  await trainIn(page, context, home);
  await shot(page, "4-ui");
  await context.close();
  served.kill("SIGINT");
  assert.equal(await ended, 0);
});
