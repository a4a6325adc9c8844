/** The chosen style out of the browser, and styles of others into it: a file, a colour table, a line of text. */

import { isName } from "../core/styleFile";
import { filled } from "../messages";
import { dropZone, h, save } from "./dom";
import { keyFor, takeStyle } from "./styles";
import type { State } from "./state";

export function share(state: State): HTMLElement {
  const { messages: say } = state;
  const said = h("p", { class: "said", role: "status", id: "shared" });
  const failed = h("p", { class: "error", role: "alert" });
  const line = h("textarea", { readonly: true, hidden: true, "aria-label": say.code, id: "code" });
  const which = h("p", { class: "faint" });
  state.onChange(() => (which.textContent = filled(say.shareWhich, { name: state.chosen?.info.name ?? "" })));
  const act = (label: string, id: string, run: (style: string, name: string) => Promise<void>) =>
    h(
      "button",
      {
        type: "button",
        id,
        onclick: async () => {
          const style = state.chosen;
          if (!style) return;
          failed.textContent = said.textContent = "";
          line.hidden = true;
          try {
            await run(style.key, style.info.name);
          } catch (error) {
            failed.textContent = state.explain(error);
          }
        },
      },
      label,
    );
  const saveStyle = act(say.saveStyle, "save-style", async (style, name) => {
    const { file } = await state.engine.ask("styleFile", { style });
    save(new Blob([file as Uint8Array<ArrayBuffer>], { type: "application/octet-stream" }), `${name}.safetensors`);
    said.textContent = say.saveStyleHint;
  });
  const saveCube = act(say.saveCube, "save-cube", async (style, name) => {
    const { text } = await state.engine.ask("cube", { style });
    save(new Blob([text], { type: "text/plain" }), `${name}.cube`);
    said.textContent = say.saveCubeHint;
  });
  const copyCode = act(say.copyCode, "copy-code", async (style) => {
    failed.textContent = state.whyNotLearn;
    if (failed.textContent) return;
    said.textContent = say.stylizing;
    const { text } = await state.engine.ask("code", { style });
    said.textContent = text === null ? say.codeRefined : say.codeBelow;
    if (text === null) return;
    line.value = text;
    line.hidden = false;
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = say.codeMade;
    } catch {
      line.select(); // Without leave to write the clipboard it is copied by hand.
    }
  });

  const take = async (open: (key: string, name: string) => Promise<{ file: Uint8Array }>, wanted: string) => {
    failed.textContent = said.textContent = "";
    const name = freeName(state, wanted);
    const key = `own/${name}`;
    try {
      await open(key, name);
      // Under a name that is free here, whatever it is called inside.
      const renamed = await state.engine.ask("renameStyle", { key, name });
      said.textContent = await takeStyle(state, renamed.style, renamed.file, say.opened);
    } catch (error) {
      failed.textContent = state.explain(error);
    }
  };
  const pasted = h("input", { type: "text", id: "paste-code", autocomplete: "off", spellcheck: "false" });
  const use = h("button", { type: "button", id: "use-code" }, say.useCode);
  use.addEventListener("click", () => {
    failed.textContent = state.whyNotLearn;
    if (failed.textContent) return;
    const text = pasted.value;
    void take((key, name) => state.engine.ask("openCode", { key, name, text }), "from-code").then(() => (pasted.value = ""));
  });
  const files = dropZone(say.openFile, say.dropStyle, {
    accept: ".safetensors",
    multiple: false,
    onFiles: ([chosen]) => state.takeStyle(chosen),
  });
  state.takeStyle = (chosen) => {
    const name = chosen.name.replace(/\.[^.]*$/, "");
    void take(async (key) => {
      const file = new Uint8Array(await chosen.arrayBuffer());
      await state.engine.ask("openStyle", { key, file });
      return { file };
    }, name);
  };
  return h(
    "section",
    { id: "share", "aria-labelledby": "share-title" },
    h("h2", { id: "share-title" }, say.share),
    which,
    h("div", { class: "row" }, saveStyle, saveCube, copyCode),
    said,
    failed,
    line,
    h("h3", {}, say.openTitle),
    h("div", { class: "row" }, h("label", { for: "paste-code", class: "grow" }, say.pasteCode, pasted), use),
    files,
  );
}

/** `wanted` as the name of a style, with a number where the user has one of that name. */
function freeName(state: State, wanted: string): string {
  const base = isName(wanted) ? wanted : "style";
  for (let number = 1; ; number++) {
    const name = number === 1 ? base : `${base.slice(0, 60)}-${number}`;
    if (keyFor(state, name) !== null) return name;
  }
}
