/** Everything that the page needs is fetched at once; then the network is locked. */

const LOCKED =
  "default-src 'none'; script-src blob: 'wasm-unsafe-eval'; worker-src blob:; style-src 'self'; img-src blob: data:; " +
  "media-src blob:; connect-src 'none'; form-action 'none'; base-uri 'none'";

export interface Parts {
  worker: Promise<string>;
  wasm: Promise<ArrayBuffer>;
  stylize: Promise<ArrayBuffer>;
  learn: Promise<ArrayBuffer>;
}

/**
 * Begin all downloads, and lock the network as soon as they have begun.
 *
 * From then on the page can open no connection to anywhere: a policy that is added can't be taken back, and the worker,
 * made of a blob, inherits it. stayOpen: under `influ ui` the page goes on talking to the command beside it.
 */
export async function loadAndLock(stayOpen: boolean): Promise<Parts> {
  const get = async (name: string, priority: RequestPriority = "auto") => {
    const response = await fetch(name, { priority });
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response;
  };
  const [worker, wasm, stylize, learn] = await Promise.all([
    get("worker.js"),
    get("ort.wasm.gz"),
    get("model/stylize.safetensors"),
    get("model/learn.safetensors", "low"),
  ]);
  if (!stayOpen) {
    await offline();
    const policy = document.createElement("meta");
    policy.httpEquiv = "Content-Security-Policy";
    policy.content = LOCKED;
    document.head.append(policy);
  }
  return { worker: worker.text(), wasm: unpacked(wasm), stylize: stylize.arrayBuffer(), learn: learn.arrayBuffer() };
}

/** Ask the service worker to keep the page; that it can't is no harm. */
async function offline(): Promise<void> {
  try {
    await navigator.serviceWorker?.register("service.js");
  } catch {
    // A private window, or a host without HTTPS.
  }
}

async function unpacked(response: Response): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Some hosts unpack what ends in .gz.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
