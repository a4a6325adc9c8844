/** The photo in hand: before and after, strength, download. */

import { filled } from "../messages";
import { metadataOfResult } from "../pictures/resultMetadata";
import type { PictureType, Seen } from "../protocol";
import { dropZone, h, save, show } from "./dom";
import type { State } from "./state";

const SHOWN_SIDE = 1600; // px of a photo on the screen, at most
const ENDINGS: Record<PictureType, string> = { "image/jpeg": "jpg", "image/png": "png" };

export function stage(state: State): HTMLElement {
  const { messages: say } = state;
  const [before, after] = [h("canvas", { class: "before" }), h("canvas", { class: "after", role: "img" })];
  const compare = h(
    "div",
    { class: "compare" },
    before,
    after,
    h("div", { class: "edge" }),
    h("span", { class: "tag left" }, say.before),
    h("span", { class: "tag right" }, say.after),
  );
  const split = h("input", { type: "range", class: "split", min: 0, max: 100, value: 50, "aria-label": say.compare });
  const place = () => {
    compare.style.setProperty("--split", `${split.value}%`);
    // The pictures may be narrower than their place.
    const [outer, inner] = [compare.clientWidth, after.clientWidth];
    compare.style.setProperty("--edge", `${(outer - inner) / 2 + (inner * Number(split.value)) / 100}px`);
  };
  split.addEventListener("input", place);
  const strength = h("input", { type: "range", id: "strength", min: 0, max: 100, value: 100 });
  const percent = h("output", { for: "strength" }, "100 %");
  const said = h("p", { class: "said faint", role: "status", id: "said" });
  const failed = h("p", { class: "error", role: "alert" });
  const ours = h("p", { class: "faint" }, say.ours);
  const format = h(
    "select",
    { id: "format", "aria-label": say.format },
    h("option", { value: "image/jpeg" }, "JPEG"),
    h("option", { value: "image/png" }, "PNG"),
  );
  const one = h("button", { type: "button", class: "main", id: "download" }, say.download);
  const all = h("button", { type: "button", id: "download-all" }, say.downloadAll);
  const remove = h("button", { type: "button", onclick: () => state.removePhoto(state.photo) }, say.removePhoto);
  const thumbs = h("div", { class: "thumbs", role: "group", "aria-label": say.photos });

  let wanted = 0;
  let busy = false;
  let failedPhoto = "";
  /** Stylize what is chosen now; of several changes in the meantime only the last counts. */
  async function stylize(): Promise<void> {
    wanted++;
    if (busy) return;
    busy = true;
    section.setAttribute("aria-busy", "true");
    while (wanted) {
      wanted = 0;
      const [photo, style] = [state.shown, state.chosen];
      if (!photo || !style) break;
      said.textContent = say.stylizing;
      try {
        const body = { photo: photo.key, style: style.key, strength: state.strength, side: SHOWN_SIDE };
        await state.engine.ask("open", { photo: photo.key, blob: photo.blob });
        const draw = (seen: { before: Seen; after: Seen }) => {
          show(before, seen.before);
          show(after, seen.after);
          place();
        };
        const colours = await state.engine.ask("colours", body);
        if (colours) {
          draw(colours);
          after.dataset.coloured = style.key;
        }
        if (wanted) continue; // something else was chosen meanwhile
        draw(await state.engine.ask("stylize", body));
        if (failedPhoto === photo.key) failed.textContent = "";
        said.textContent = filled(say.stylized, { name: photo.name, style: style.info.name });
        after.setAttribute("aria-label", said.textContent);
        after.dataset.stylized = `${photo.key} ${style.key} ${state.strength}`;
      } catch (error) {
        if (!state.photos.includes(photo)) continue;
        failed.textContent = `${photo.name}: ${state.explain(error)}`;
        failedPhoto = photo.key;
        said.textContent = "";
        if (state.photos.length > 1) state.removePhoto(photo.key);
      }
    }
    busy = false;
    section.setAttribute("aria-busy", "false");
  }

  async function download(photos: typeof state.photos): Promise<void> {
    const style = state.chosen;
    if (!style) return;
    one.disabled = all.disabled = true;
    for (const photo of photos) {
      said.textContent = say.stylizing;
      try {
        const { height, width } = await state.engine.ask("open", { photo: photo.key, blob: photo.blob });
        const label = { system: `influ, style ${style.info.name}`, version: state.label };
        const metadata = await metadataOfResult(photo.blob, label, height, width);
        const body = { photo: photo.key, style: style.key, strength: state.strength, type: state.type, metadata };
        const { blob } = await state.engine.ask("download", body);
        const stem = photo.name.replace(/\.[^.]*$/, "");
        save(blob, `${stem}-${style.info.name}.${ENDINGS[state.type]}`);
        said.textContent = filled(say.stylized, { name: photo.name, style: style.info.name });
      } catch (error) {
        failed.textContent = `${photo.name}: ${state.explain(error)}`;
        said.textContent = "";
      }
    }
    one.disabled = all.disabled = false;
  }

  one.addEventListener("click", () => void download(state.shown ? [state.shown] : []));
  all.addEventListener("click", () => void download(state.photos));
  format.addEventListener("change", () => (state.type = format.value as PictureType));
  strength.addEventListener("input", () => {
    state.strength = Number(strength.value) / 100;
    percent.textContent = `${strength.value} %`;
    void stylize();
  });
  state.onChange(() => {
    ours.hidden = !state.ours;
    all.hidden = remove.hidden = thumbs.hidden = state.photos.length < 2;
    thumbs.replaceChildren(
      ...state.photos.map((photo) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(photo.key === state.photo),
            "aria-label": photo.name,
            onclick: () => {
              state.photo = photo.key;
              state.changed();
            },
          },
          h("img", { src: photo.url, alt: "", loading: "lazy" }),
        ),
      ),
    );
    void stylize();
  });
  new ResizeObserver(place).observe(compare);

  const section = h(
    "section",
    { id: "stage", "aria-labelledby": "stage-title" },
    h("h2", { id: "stage-title" }, say.yourPhoto),
    ours,
    dropZone(say.choosePhotos, say.dropPhotos, {
      accept: "image/*",
      multiple: true,
      onFiles: (files) => {
        failed.textContent = "";
        state.addPhotos(files.map((file) => ({ name: file.name, blob: file })));
      },
    }),
    compare,
    split,
    h(
      "div",
      { class: "row" },
      h("label", { for: "strength", class: "grow" }, say.strength, strength),
      percent,
    ),
    h("div", { class: "row" }, one, all, format, remove),
    said,
    failed,
    thumbs,
  );
  return section;
}
