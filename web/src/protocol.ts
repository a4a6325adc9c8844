/** What the page asks of its worker, and what comes back. */

import type { Metadata } from "./pictures/containers";
import type { StyleInfo } from "./core/styleFile";

export type PictureType = "image/jpeg" | "image/png";

export interface Seen {
  height: number;
  width: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** A photo as the feed judges it; colours are CIELAB. */
export interface FeedPhoto {
  picture: Seen;
  skin: [number, number, number] | null;
  neutral: [number, number, number] | null;
}

export interface LoadedStyle {
  key: string;
  info: StyleInfo;
}

/** Each kind of request: what goes in, what comes out. */
export interface Requests {
  start: { in: { stylize: ArrayBuffer; wasm: ArrayBuffer }; out: { version: string; label: string; styles: LoadedStyle[]; previews: Uint8Array[]; before: Uint8Array; photo: Uint8Array } };
  learn: { in: { bytes: ArrayBuffer }; out: Record<string, never> };
  open: { in: { photo: string; blob: Blob }; out: { height: number; width: number } };
  close: { in: { photo: string }; out: Record<string, never> };
  /** The colours alone, at once; null where the whole result is as quick. */
  colours: { in: { photo: string; style: string; strength: number; side: number }; out: { before: Seen; after: Seen } | null };
  stylize: { in: { photo: string; style: string; strength: number; side: number }; out: { before: Seen; after: Seen } };
  download: { in: { photo: string; style: string; strength: number; type: PictureType; metadata: Metadata }; out: { blob: Blob } };
  feed: { in: { photos: string[]; style: string; strength: number; side: number }; out: { photos: FeedPhoto[] } };
  makeStyle: { in: { key: string; name: string; pictures: Blob[] }; out: { style: LoadedStyle; file: Uint8Array; unreadable: number } };
  openStyle: { in: { key: string; file: Uint8Array }; out: LoadedStyle };
  openCode: { in: { key: string; name: string; text: string }; out: { style: LoadedStyle; file: Uint8Array } };
  renameStyle: { in: { key: string; name: string }; out: { style: LoadedStyle; file: Uint8Array } };
  styleFile: { in: { style: string }; out: { file: Uint8Array } };
  cube: { in: { style: string }; out: { text: string } };
  code: { in: { style: string }; out: { text: string | null } };
  previewStyle: { in: { style: string }; out: { picture: Seen } };
  clip: { in: { blob: Blob; style: string; strength: number }; out: { blob: Blob; frames: number } };
}

export type Kind = keyof Requests;

export interface Request<K extends Kind = Kind> {
  id: number;
  kind: K;
  body: Requests[K]["in"];
}

export type Reply =
  | { id: number; progress: number }
  | { id: number; result: unknown }
  | { id: number; error: string; detail: string };

export type OnProgress = (share: number) => void;
