/** A style from pictures. */

import { isName } from "../core/styleFile";
import { filled } from "../messages";
import { dropZone, h } from "./dom";
import { keyFor, takeStyle } from "./styles";
import type { State } from "./state";

const MOST_PICTURES = 200;

export function make(state: State): HTMLElement {
  const { messages: say } = state;
  let pictures: File[] = [];
  const name = h("input", { type: "text", id: "style-name", maxlength: 64, autocomplete: "off" });
  const said = h("p", { class: "said", role: "status", id: "made" });
  const failed = h("p", { class: "error", role: "alert" });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": say.makingStyle });
  const first = h("span", { class: "faint", id: "make-first" }, say.makeFirst);
  const start = h("button", { type: "button", class: "main", id: "make-style", disabled: true, "aria-describedby": "make-first" });
  const clear = h("button", { type: "button", id: "clear-pictures" }, say.clearPictures);
  clear.addEventListener("click", () => {
    pictures = [];
    said.textContent = failed.textContent = "";
    start.disabled = true;
    label();
  });
  const label = () => {
    const count = pictures.length;
    start.textContent = count === 0 ? say.makeNowNone : count === 1 ? say.makeNowOne : filled(say.makeNow, { count });
    first.hidden = count > 0;
    clear.hidden = count === 0 || start.disabled;
  };
  const take = (files: File[]) => {
    const all = [...pictures, ...files];
    pictures = all.slice(0, MOST_PICTURES);
    failed.textContent = all.length > MOST_PICTURES ? say.tooMany : "";
    said.textContent = filled(say.pictures, { count: pictures.length });
    start.disabled = false;
    label();
  };
  start.addEventListener("click", async () => {
    const wanted = name.value.trim() || freeName(state);
    const key = keyFor(state, wanted);
    failed.textContent = !isName(wanted) ? say.badName : key === null ? filled(say.nameTaken, { name: wanted }) : "";
    if (failed.textContent || key === null) return name.focus();
    failed.textContent = state.whyNotLearn;
    if (failed.textContent) return;
    start.disabled = true;
    label();
    bar.hidden = false;
    bar.value = 0;
    said.textContent = say.makingStyle;
    try {
      const body = { key, name: wanted, pictures };
      const made = await state.engine.ask("makeStyle", body, { onProgress: (share) => (bar.value = share) });
      const message = await takeStyle(state, made.style, made.file, say.made);
      said.textContent = made.unreadable ? `${message} ${filled(say.unreadable1, { count: made.unreadable })}` : message;
      pictures = [];
      name.value = "";
    } catch (error) {
      said.textContent = "";
      failed.textContent = state.explain(error);
    }
    bar.hidden = true;
    start.disabled = !pictures.length;
    label();
  });
  label();
  return h(
    "section",
    { id: "make", "aria-labelledby": "make-title" },
    h("h2", { id: "make-title" }, say.make),
    dropZone(say.choosePictures, say.makeHint, { accept: "image/*", multiple: true, onFiles: take }),
    h("div", { class: "row" }, h("label", { for: "style-name", class: "grow" }, say.styleName, name)),
    h("div", { class: "row" }, start, clear, first),
    bar,
    said,
    failed,
  );
}

function freeName(state: State): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? "my-style" : `my-style-${number}`;
    if (keyFor(state, name) !== null) return name;
  }
}
