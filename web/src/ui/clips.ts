/** A short clip in the chosen style. */

import { filled } from "../messages";
import { dropZone, h, save } from "./dom";
import type { State } from "./state";

export function clips(state: State): HTMLElement {
  const { messages: say } = state;
  let clip: File | null = null;
  const said = h("p", { class: "said", role: "status", id: "clip-said" });
  const failed = h("p", { class: "error", role: "alert" });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": say.clipNow });
  const start = h("button", { type: "button", class: "main", id: "stylize-clip", disabled: true, "aria-describedby": "clip-first" }, say.clipNow);
  const first = h("span", { class: "faint", id: "clip-first" }, say.clipFirst);
  const video = h("video", { controls: true, hidden: true, playsinline: true });
  start.addEventListener("click", async () => {
    const style = state.chosen;
    if (!clip || !style) return;
    start.disabled = true;
    bar.hidden = false;
    bar.value = 0;
    failed.textContent = "";
    said.textContent = say.stylizing;
    try {
      const body = { blob: clip, style: style.key, strength: state.strength };
      const { blob, frames } = await state.engine.ask("clip", body, { onProgress: (share) => (bar.value = share) });
      said.textContent = filled(say.clipDone, { frames });
      if (video.src) URL.revokeObjectURL(video.src);
      video.src = URL.createObjectURL(blob);
      video.hidden = false;
      save(blob, `${clip.name.replace(/\.[^.]*$/, "")}-${style.info.name}.mp4`);
    } catch (error) {
      said.textContent = "";
      failed.textContent = state.explain(error);
    }
    bar.hidden = true;
    start.disabled = false;
  });
  const files = dropZone(say.chooseClip, say.clipHint, {
    accept: "video/*",
    multiple: false,
    onFiles: ([chosen]) => state.takeClip(chosen),
  });
  state.takeClip = (chosen) => {
    clip = chosen;
    said.textContent = filled(say.clipName, { name: chosen.name });
    start.disabled = false;
    first.hidden = true;
  };
  return h(
    "section",
    { id: "clip", "aria-labelledby": "clip-title" },
    h("h2", { id: "clip-title" }, say.clip),
    files,
    h("div", { class: "row" }, start, first),
    bar,
    said,
    failed,
    video,
  );
}
