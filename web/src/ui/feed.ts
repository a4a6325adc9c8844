/** Nine photos in one style, and whether they go together. */

import { type Lab, outlierOf, spreadOf } from "../core/feed";
import { filled } from "../messages";
import type { FeedPhoto } from "../protocol";
import { h, show } from "./dom";
import type { State } from "./state";

const MOST = 9;
const SIDE = 480; // px

export function feed(state: State): HTMLElement {
  const { messages: say } = state;
  const grid = h("ul", { class: "feed", hidden: true, "aria-label": say.feed });
  const table = h("div");
  const said = h("p", { class: "said", role: "status", id: "feed-said" });
  const failed = h("p", { class: "error", role: "alert" });
  const button = h("button", { type: "button", id: "show-feed" }, say.feedNow);
  button.addEventListener("click", async () => {
    const style = state.chosen;
    const chosen = state.photos.slice(0, MOST);
    failed.textContent = chosen.length < 2 || state.ours ? say.feedEmpty : "";
    if (failed.textContent || !style) return;
    button.disabled = true;
    said.textContent = say.stylizing;
    try {
      for (const photo of chosen) await state.engine.ask("open", { photo: photo.key, blob: photo.blob });
      const body = { photos: chosen.map(({ key }) => key), style: style.key, strength: state.strength, side: SIDE };
      const { photos } = await state.engine.ask("feed", body);
      const names = chosen.map(({ name }) => name);
      fill(photos, names);
    } catch (error) {
      said.textContent = "";
      failed.textContent = state.explain(error);
    }
    button.disabled = false;
  });

  function fill(photos: FeedPhoto[], names: string[]): void {
    const spreads = (["skin", "neutral"] as const).map((kind) => spreadOf(photos.map((photo): Lab | null => photo[kind])));
    const outlier = outlierOf(spreads, photos.length);
    grid.hidden = false;
    grid.replaceChildren(
      ...photos.map(({ picture }, index) => {
        const canvas = h("canvas", { role: "img", "aria-label": names[index] });
        show(canvas, picture);
        return h("li", { class: index === outlier ? "outlier" : "" }, canvas, index === outlier ? h("b", {}, say.feedOutlier) : null);
      }),
    );
    const number = (value: number | undefined) => (value === undefined ? say.feedNone : value.toFixed(1));
    table.replaceChildren(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, say.feedMeasure), h("th", { scope: "col" }, say.feedSpread))),
        h(
          "tbody",
          {},
          h("tr", {}, h("th", { scope: "row" }, say.feedSkin), h("td", {}, number(spreads[0]?.mean))),
          h("tr", {}, h("th", { scope: "row" }, say.feedNeutral), h("td", {}, number(spreads[1]?.mean))),
        ),
      ),
    );
    said.textContent = outlier === null ? say.feedEven : filled(say.feedTold, { number: outlier + 1 });
  }

  return h(
    "section",
    { id: "feed", "aria-labelledby": "feed-title" },
    h("h2", { id: "feed-title" }, say.feed),
    h("p", { class: "faint" }, say.feedHint),
    button,
    grid,
    said,
    failed,
    table,
  );
}
