// The page as files that any static host serves: web/dist. `node build.mjs` or `make web`.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.PAGE_DIST ?? join(here, "dist");
const packages = join(here, "node_modules");

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await build({
  entryPoints: { page: join(here, "src/page.ts"), worker: join(here, "src/worker.ts") },
  outdir: dist,
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  define: { "import.meta.url": "self.location.href" },
  logLevel: "warning",
});
// Unpacked in the page: the same size on every host, whether or not it compresses.
const wasm = readFileSync(join(packages, "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"));
writeFileSync(join(dist, "ort.wasm.gz"), gzipSync(wasm, { level: 9 }));
cpSync(join(here, "static"), dist, { recursive: true });
writeFileSync(join(dist, "licences.txt"), licences());
// The icon in the page itself: browsers ask for it late, when nothing may be loaded any more.
const icon = readFileSync(join(here, "static/icon.svg"), "utf8").trim();
const index = readFileSync(join(here, "static/index.html"), "utf8");
writeFileSync(join(dist, "index.html"), index.replace('href="icon.svg"', `href="data:image/svg+xml,${encodeURIComponent(icon)}"`));
const names = readdirSync(dist).filter((name) => name !== "service.js").sort();
const hash = createHash("sha256");
for (const name of names) hash.update(readFileSync(join(dist, name)));
const service = readFileSync(join(here, "src/service.js"), "utf8")
  .replace("{build}", hash.digest("hex").slice(0, 16))
  .replace("[]", JSON.stringify(["./", ...names.filter((name) => name !== "index.html")]));
writeFileSync(join(dist, "service.js"), service);

/** The licences of everything that the page is made of. */
function licences() {
  const parts = ["onnxruntime-web", "onnxruntime-common", "mediabunny", "@noble/hashes"].map((name) => {
    const about = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
    const file = readdirSync(join(packages, name)).find((one) => /^licen[cs]e/i.test(one));
    const text = file ? readFileSync(join(packages, name, file), "utf8") : readFileSync(join(here, `licences/${about.license}.txt`), "utf8");
    return `${name} ${about.version} (${about.license})\n\n${text.trim()}\n`;
  });
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}
