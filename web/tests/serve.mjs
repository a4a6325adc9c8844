// A plain static host for a folder, as the page finds it anywhere.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { createGzip } from "node:zlib";

const TYPES = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
};

/** Serve `folder` on a free port of loopback; resolves to { url, requests, sent, close }. gzip: compress what gets smaller. */
export function serve(folder, { gzip = false } = {}) {
  const requests = [];
  let sent = 0;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    requests.push(path);
    const file = join(folder, normalize(path.endsWith("/") ? `${path}index.html` : path));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    // As GitHub Pages does: browsers may keep a file for ten minutes.
    const headers = { "content-type": TYPES[extname(file)] ?? "application/octet-stream", "cache-control": "max-age=600" };
    if (gzip && extname(file) !== ".gz") headers["content-encoding"] = "gzip";
    response.writeHead(200, headers);
    const source = createReadStream(file);
    const coming = headers["content-encoding"] ? source.pipe(createGzip()) : source;
    coming.on("data", (part) => (sent += part.length));
    coming.pipe(response);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const url = `http://127.0.0.1:${server.address().port}/`;
      const close = () => new Promise((done) => (server.closeAllConnections(), server.close(done)));
      resolve({ url, requests, sent: () => sent, close });
    });
  });
}
