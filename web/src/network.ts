/** Everything that the page needs is fetched as it opens; then the network is locked. */

const LOCKED =
  "default-src 'none'; script-src blob: 'wasm-unsafe-eval'; worker-src blob:; style-src 'self'; img-src blob: data:; " +
  "media-src blob:; connect-src 'none'; form-action 'none'; base-uri 'none'";

export interface Parts {
  worker: string;
  wasm: ArrayBuffer;
  stylize: ArrayBuffer;
  learn: Promise<ArrayBuffer>;
  kept: Promise<void>; // for when there is no network, or for certain not
}

interface Keeper {
  registration: ServiceWorkerRegistration;
  known: boolean; // from an earlier visit
}

/**
 * Fetch what the first photo needs, begin all other downloads, and lock the network.
 *
 * From then on the page can open no connection to anywhere: a policy that is added can't be taken back, and the worker,
 * made of a blob, inherits it. stayOpen: under `influ ui` the page goes on talking to the command beside it.
 */
export async function loadAndLock(stayOpen: boolean): Promise<Parts> {
  const get = async (name: string) => {
    const response = await fetch(name);
    if (!response.ok) throw new Error(`${name}: ${response.status}`);
    return response;
  };
  const [worker, wasm, stylize] = await Promise.all([
    get("worker.js").then((response) => response.text()),
    get("ort.wasm.gz").then(unpacked),
    get("model/stylize.safetensors").then((response) => response.arrayBuffer()),
  ]);
  const [learn, keeper] = await Promise.all([get("model/learn.safetensors"), stayOpen ? null : keeperOfPage()]);
  if (!stayOpen) {
    const policy = document.createElement("meta");
    policy.httpEquiv = "Content-Security-Policy";
    policy.content = LOCKED;
    document.head.append(policy);
  }
  return { worker, wasm, stylize, learn: learn.arrayBuffer(), kept: keeper ? settled(keeper) : Promise.resolve() };
}

/** The service worker that keeps the page. Null in a private window, or on a host without HTTPS. */
async function keeperOfPage(): Promise<Keeper | null> {
  try {
    const known = await navigator.serviceWorker.getRegistration();
    const registration = await navigator.serviceWorker.register("service.js", { updateViaCache: "all" });
    return registration && { registration, known: known !== undefined };
  } catch {
    return null;
  }
}

/**
 * Wait until the page is kept whole, or can't be.
 *
 * Some seconds after each visit a browser styles for a newer service worker. Here that is done while the page loads: what
 * lies in the browser's own cache from then it does not ask the host for.
 */
async function settled({ registration, known }: Keeper): Promise<void> {
  if (known) await registration.update().catch(() => {}); // without a network there is nothing new
  const coming = registration.installing ?? registration.waiting;
  if (!coming) return;
  await new Promise<void>((resolve) => {
    const style = () => {
      if (coming.state === "activated" || coming.state === "redundant") resolve();
    };
    coming.addEventListener("statechange", style);
    style();
  });
}

async function unpacked(response: Response): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Some hosts unpack what ends in .gz.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
