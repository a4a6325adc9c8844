/** Elements in few words, and what every part of the page does with files. */

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | ((event: Event) => void)>;

/** An element: `on…` functions are listeners, all else attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2).toLowerCase(), value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null));
  return element;
}

/** A place for files: they can be dropped on it or chosen by its button. */
export function dropZone(
  button: string,
  hint: string,
  options: { accept: string; multiple: boolean; onFiles: (files: File[]) => void },
): HTMLElement {
  const { accept, multiple, onFiles } = options;
  const input = h("input", { type: "file", accept, multiple, hidden: true, onchange: () => take(input.files) });
  const take = (files: FileList | null) => {
    const chosen = Array.from(files ?? []);
    input.value = "";
    if (chosen.length) onFiles(multiple ? chosen : chosen.slice(0, 1));
  };
  const zone = h("div", { class: "drop" }, h("p", {}, hint), h("button", { type: "button", onclick: () => input.click() }, button), input);
  takeDrops(zone, (files) => onFiles(multiple ? files : files.slice(0, 1)));
  return zone;
}

export function takeDrops(zone: HTMLElement, onFiles: (files: File[]) => void): void {
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    zone.classList.remove("over");
    const files = Array.from(event.dataTransfer?.files ?? []);
    if (files.length) onFiles(files);
  });
}

/** Hand a file to the browser's downloads. */
export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Put pixels on a canvas of their size. */
export function show(canvas: HTMLCanvasElement, picture: { height: number; width: number; data: Uint8ClampedArray<ArrayBuffer> }): void {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")!.putImageData(new ImageData(picture.data, picture.width, picture.height), 0, 0);
}
