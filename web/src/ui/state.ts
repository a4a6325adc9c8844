/** What the parts of the page share: the engine, the styles, the photos, and who wants to hear of changes. */

import { Engine, EngineError } from "../engine";
import { filled, LANGUAGES, type Language, type Messages } from "../messages";
import type { LoadedStyle, PictureType } from "../protocol";

/** Where a style is from: the page, the user's own in this browser, or the user's own on the disk, under `influ ui`. */
export type Origin = "page" | "browser" | "computer";

export interface ListedStyle extends LoadedStyle {
  origin: Origin;
  preview: string | null; // URL of a picture
}

export interface Photo {
  key: string;
  name: string;
  blob: Blob;
  url: string;
}

export class State {
  styles: ListedStyle[] = [];
  styleKey = "";
  photos: Photo[] = [];
  photo = "";
  ours = true; // the only photo is the one that comes with the page
  strength = 1;
  type: PictureType = "image/jpeg";
  canLearn = false;
  learnFailed = false;
  version = "";
  label = ""; // the version and the base, as results name them
  messages: Messages;
  /** What takes a clip and a style file that are dropped anywhere on the page. */
  takeClip: (file: File) => void = () => {};
  takeStyle: (file: File) => void = () => {};
  private readonly listeners: (() => void)[] = [];

  constructor(
    readonly engine: Engine,
    readonly language: Language,
  ) {
    this.messages = LANGUAGES[language].messages;
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  changed(): void {
    for (const listener of this.listeners) listener();
  }

  get chosen(): ListedStyle | undefined {
    return this.styles.find(({ key }) => key === this.styleKey);
  }

  get shown(): Photo | undefined {
    return this.photos.find(({ key }) => key === this.photo);
  }

  /** Why no style can be made now; empty where one can. */
  get whyNotLearn(): string {
    if (this.canLearn) return "";
    return this.learnFailed ? this.messages.learnFailed : this.messages.stillLoading;
  }

  /** A failure in a sentence. */
  explain(error: unknown): string {
    const key = error instanceof EngineError ? error.key : "failed";
    const message = (this.messages as Record<string, string>)[key] ?? this.messages.failed;
    const [detail] = String((error as Error)?.message ?? error).split("\n");
    return filled(message, { detail });
  }

  /** Take photos in, in place of the one that comes with the page. */
  addPhotos(files: { name: string; blob: Blob }[], ours = false): void {
    if (this.ours && !ours) for (const photo of this.photos.splice(0)) this.close(photo);
    const added = files.map(({ name, blob }) => ({ key: crypto.randomUUID(), name, blob, url: URL.createObjectURL(blob) }));
    this.photos.push(...added);
    this.ours = ours;
    this.photo = added[0]?.key ?? this.photo;
    this.changed();
  }

  removePhoto(key: string): void {
    const index = this.photos.findIndex((photo) => photo.key === key);
    if (index < 0) return;
    for (const photo of this.photos.splice(index, 1)) this.close(photo);
    if (this.photo === key) this.photo = this.photos[Math.min(index, this.photos.length - 1)]?.key ?? "";
    this.changed();
  }

  private close(photo: Photo): void {
    URL.revokeObjectURL(photo.url);
    void this.engine.ask("close", { photo: photo.key });
  }
}
