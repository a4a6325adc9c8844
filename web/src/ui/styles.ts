/** The styles to choose from: those that come with the page, and the user's own. */

import { filled } from "../messages";
import type { LoadedStyle } from "../protocol";
import { h, show } from "./dom";
import type { ListedStyle, Origin, State } from "./state";
import { forgetStyle, keepStyle, keptStyles } from "./store";

export function styles(state: State): HTMLElement {
  const { messages: say } = state;
  const group = () => h("div", { class: "styles" });
  const groups: Record<Origin, HTMLElement> = { page: group(), browser: group(), computer: group() };
  const titles = { browser: h("h3", {}, say.own), computer: h("h3", {}, say.onDisk) };
  const remove = h("button", { type: "button", id: "remove-style" }, say.removeStyle);
  remove.addEventListener("click", () => {
    const style = state.chosen;
    if (style?.origin !== "browser") return;
    state.styles = state.styles.filter((one) => one !== style);
    state.styleKey = state.styles[0].key;
    void forgetStyle(style.key);
    state.changed();
  });
  const cards = new Map<string, HTMLElement>();
  state.onChange(() => {
    for (const [key, card] of cards) {
      if (!state.styles.some((style) => style.key === key)) {
        card.remove();
        cards.delete(key);
      }
    }
    for (const style of state.styles) {
      let card = cards.get(style.key);
      if (!card) {
        card = cardOf(state, style);
        cards.set(style.key, card);
        groups[style.origin].append(card);
      }
      card.querySelector("input")!.checked = style.key === state.styleKey;
    }
    for (const origin of ["browser", "computer"] as const) titles[origin].hidden = !groups[origin].childElementCount;
    remove.hidden = state.chosen?.origin !== "browser";
  });
  return h(
    "section",
    { id: "styles", "aria-labelledby": "styles-title" },
    h("h2", { id: "styles-title" }, say.styles),
    h("div", { role: "radiogroup", "aria-label": say.chooseStyle }, groups.page, titles.browser, groups.browser, titles.computer, groups.computer),
    h("div", { class: "row" }, remove),
  );
}

function cardOf(state: State, style: ListedStyle): HTMLElement {
  const input = h("input", {
    type: "radio",
    name: "style",
    value: style.key,
    onchange: () => {
      state.styleKey = style.key;
      state.changed();
    },
  });
  let picture: HTMLElement;
  if (style.preview) {
    picture = h("img", { src: style.preview, alt: "" });
  } else {
    const canvas = h("canvas", { "aria-hidden": "true" });
    canvas.width = canvas.height = 1;
    void state.engine.ask("previewStyle", { style: style.key }).then(
      ({ picture: seen }) => show(canvas, seen),
      () => {}, // The style itself says what is wrong when it is chosen.
    );
    picture = canvas;
  }
  return h("label", { class: "style" }, input, picture, h("span", {}, style.info.name));
}

/** Take a new style in, choose it, and keep its file. Returns what to say of it. */
export async function takeStyle(state: State, loaded: LoadedStyle, file: Uint8Array, message: string): Promise<string> {
  state.styles.push({ ...loaded, origin: "browser", preview: null });
  state.styleKey = loaded.key;
  state.changed();
  try {
    await keepStyle(loaded.key, file);
  } catch {
    return state.messages.storeFailed;
  }
  return filled(message, { name: loaded.info.name });
}

/** The key of a style of the user's called `name`; null where there is a style of that name. */
export function keyFor(state: State, name: string): string | null {
  return state.styles.some(({ origin, info }) => origin === "browser" && info.name === name) ? null : `own/${name}`;
}

/** The styles that this browser kept; those of another base are left alone. */
export async function recallStyles(state: State): Promise<void> {
  let kept: { key: string; file: Uint8Array }[] = [];
  try {
    kept = await keptStyles();
  } catch {
    return; // a private window
  }
  for (const { key, file } of kept) {
    try {
      const loaded = await state.engine.ask("openStyle", { key, file });
      state.styles.push({ ...loaded, origin: "browser", preview: null });
    } catch {
      // Made on another base: it stays in the browser for the page that knows it.
    }
  }
  if (kept.length) state.changed();
}
