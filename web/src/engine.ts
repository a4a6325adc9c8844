/** The worker as functions that return promises. */

import type { Kind, OnProgress, Reply, Requests } from "./protocol";

/** A failure that has a sentence among the page's messages under its key. */
export class EngineError extends Error {
  constructor(
    readonly key: string,
    detail: string,
  ) {
    super(detail);
  }
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
  onProgress?: OnProgress;
}

export class Engine {
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;

  constructor(private readonly worker: Worker) {
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.receive(data);
    worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new EngineError("stopped", event.message));
      this.waiting.clear();
    };
  }

  ask<K extends Kind>(
    kind: K,
    body: Requests[K]["in"],
    options: { transfer?: Transferable[]; onProgress?: OnProgress } = {},
  ): Promise<Requests[K]["out"]> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject, onProgress: options.onProgress });
      this.worker.postMessage({ id, kind, body }, options.transfer ?? []);
    });
  }

  private receive(reply: Reply): void {
    const waiting = this.waiting.get(reply.id);
    if (!waiting) return;
    if ("progress" in reply) {
      waiting.onProgress?.(reply.progress);
      return;
    }
    this.waiting.delete(reply.id);
    if ("error" in reply) waiting.reject(new EngineError(reply.error, reply.detail));
    else waiting.resolve(reply.result);
  }
}
