/** The looks to choose from: those that come with the page, and the user's own. */

import { filled } from "../messages";
import type { LoadedStyle } from "../protocol";
import { h, show } from "./dom";
import type { Look, Place, State } from "./state";
import { forgetStyle, keepStyle, keptStyles } from "./store";

export function looks(state: State): HTMLElement {
  const { messages: say } = state;
  const group = () => h("div", { class: "looks" });
  const groups: Record<Place, HTMLElement> = { page: group(), browser: group(), computer: group() };
  const titles = { browser: h("h3", {}, say.own), computer: h("h3", {}, say.onDisk) };
  const remove = h("button", { type: "button", id: "remove-look" }, say.removeLook);
  remove.addEventListener("click", () => {
    const look = state.chosen;
    if (look?.place !== "browser") return;
    state.looks = state.looks.filter((one) => one !== look);
    state.look = state.looks[0].key;
    void forgetStyle(look.key);
    state.changed();
  });
  const cards = new Map<string, HTMLElement>();
  state.onChange(() => {
    for (const [key, card] of cards) {
      if (!state.looks.some((look) => look.key === key)) {
        card.remove();
        cards.delete(key);
      }
    }
    for (const look of state.looks) {
      let card = cards.get(look.key);
      if (!card) {
        card = cardOf(state, look);
        cards.set(look.key, card);
        groups[look.place].append(card);
      }
      card.querySelector("input")!.checked = look.key === state.look;
    }
    for (const place of ["browser", "computer"] as const) titles[place].hidden = !groups[place].childElementCount;
    remove.hidden = state.chosen?.place !== "browser";
  });
  return h(
    "section",
    { id: "looks", "aria-labelledby": "looks-title" },
    h("h2", { id: "looks-title" }, say.looks),
    h("div", { role: "radiogroup", "aria-label": say.chooseLook }, groups.page, titles.browser, groups.browser, titles.computer, groups.computer),
    h("div", { class: "row" }, remove),
  );
}

function cardOf(state: State, look: Look): HTMLElement {
  const input = h("input", {
    type: "radio",
    name: "look",
    value: look.key,
    onchange: () => {
      state.look = look.key;
      state.changed();
    },
  });
  let picture: HTMLElement;
  if (look.preview) {
    picture = h("img", { src: look.preview, alt: "" });
  } else {
    const canvas = h("canvas", { "aria-hidden": "true" });
    canvas.width = canvas.height = 1;
    void state.engine.ask("previewStyle", { style: look.key }).then(
      ({ picture: seen }) => show(canvas, seen),
      () => {}, // The look itself says what is wrong when it is chosen.
    );
    picture = canvas;
  }
  return h("label", { class: "look" }, input, picture, h("span", {}, look.info.name));
}

/** Take a new look in, choose it, and keep its file. Returns what to say of it. */
export async function takeLook(state: State, loaded: LoadedStyle, file: Uint8Array, message: string): Promise<string> {
  state.looks.push({ ...loaded, place: "browser", preview: null });
  state.look = loaded.key;
  state.changed();
  try {
    await keepStyle(loaded.key, file);
  } catch {
    return state.messages.storeFailed;
  }
  return filled(message, { name: loaded.info.name });
}

/** The key of a look of the user's called `name`; null where there is a look of that name. */
export function keyFor(state: State, name: string): string | null {
  return state.looks.some(({ place, info }) => place === "browser" && info.name === name) ? null : `own/${name}`;
}

/** The looks that this browser kept; those of another base are left alone. */
export async function recallLooks(state: State): Promise<void> {
  let kept: { key: string; file: Uint8Array }[] = [];
  try {
    kept = await keptStyles();
  } catch {
    return; // a private window
  }
  for (const { key, file } of kept) {
    try {
      const loaded = await state.engine.ask("openStyle", { key, file });
      state.looks.push({ ...loaded, place: "browser", preview: null });
    } catch {
      // Made on another base: it stays in the browser for the page that knows it.
    }
  }
  if (kept.length) state.changed();
}
