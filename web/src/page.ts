/** The page: load, lock the network, put the parts together. */

import { Engine } from "./engine";
import { filled, LANGUAGES, type Language, preferredLanguage } from "./messages";
import { loadAndLock } from "./network";
import { clips } from "./ui/clips";
import { computer, serverToken } from "./ui/computer";
import { h, takeDrops } from "./ui/dom";
import { feed } from "./ui/feed";
import { styles, recallStyles } from "./ui/styles";
import { make } from "./ui/make";
import { share } from "./ui/share";
import { stage } from "./ui/stage";
import { State } from "./ui/state";

const FIRST_STYLE = 0;

function chooseTheme(theme: string): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

function head(state: State, lock: HTMLElement): HTMLElement {
  const { messages: say } = state;
  const language = h(
    "select",
    { id: "language" },
    ...Object.entries(LANGUAGES).map(([key, { name }]) => h("option", { value: key, lang: key }, name)),
  );
  language.value = state.language;
  language.addEventListener("change", () => {
    localStorage.setItem("language", language.value);
    render(new State(state.engine, language.value as Language), state);
  });
  const theme = h(
    "select",
    { id: "theme" },
    h("option", { value: "auto" }, say.themeAuto),
    h("option", { value: "light" }, say.themeLight),
    h("option", { value: "dark" }, say.themeDark),
  );
  theme.value = localStorage.getItem("theme") ?? "auto";
  theme.addEventListener("change", () => chooseTheme(theme.value));
  return h(
    "header",
    {},
    h("h1", {}, say.title),
    h("p", { class: "tagline faint" }, say.tagline),
    h("label", {}, say.language, language),
    h("label", {}, say.theme, theme),
    lock,
  );
}

/** Draw the page anew; with `from` it goes on with its styles and photos. */
function render(state: State, from?: State): void {
  const { messages: say } = state;
  if (from) {
    const { styles: all, styleKey, photos, photo, ours, strength, type, canLearn, learnFailed, version, label } = from;
    Object.assign(state, { styles: all, styleKey, photos, photo, ours, strength, type, canLearn, learnFailed, version, label });
    current = state;
  }
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  document.title = `${say.title}: ${say.tagline}`;
  const token = serverToken();
  const lock = h("p", { class: "lock shut", id: "lock" }, token ? say.local : say.locked);
  const main = h(
    "main",
    {},
    h("div", { class: "column" }, stage(state), feed(state), clips(state), token ? computer(state, token) : null),
    h("div", { class: "column" }, styles(state), make(state), share(state)),
  );
  const foot = h(
    "footer",
    {},
    h("p", {}, say.aboutText),
    h("p", {}, `${filled(say.version, { version: state.version })} · `, h("a", { href: "licences.txt", target: "_blank", rel: "noopener" }, say.licences)),
  );
  document.getElementById("page")!.replaceChildren(head(state, lock), main, foot);
  takeDrops(document.body, (files) => {
    const of = (kind: RegExp) => files.filter(({ name, type }) => kind.test(type) || kind.test(name));
    const [clips, styles] = [of(/^video\//), of(/\.safetensors$/i)];
    for (const clip of clips.slice(0, 1)) state.takeClip(clip);
    for (const style of styles) state.takeStyle(style);
    // What is no picture is named where photos are.
    const photos = files.filter((file) => !clips.includes(file) && !styles.includes(file));
    if (photos.length) state.addPhotos(photos.map((file) => ({ name: file.name, blob: file })));
  });
  state.changed();
}

let current: State | undefined;

async function begin(): Promise<void> {
  chooseTheme(localStorage.getItem("theme") ?? "auto");
  const language = preferredLanguage();
  const say = LANGUAGES[language].messages;
  const waiting = document.querySelector(".loading")!;
  waiting.textContent = say.loading;
  try {
    const parts = await loadAndLock(serverToken() !== null);
    const source = new Blob([parts.worker], { type: "text/javascript" });
    const engine = new Engine(new Worker(URL.createObjectURL(source)));
    const { stylize, wasm } = parts;
    const started = await engine.ask("start", { stylize, wasm }, { transfer: [stylize, wasm] });
    const state = new State(engine, language);
    current = state;
    state.version = started.version;
    state.label = started.label;
    const jpeg = (bytes: Uint8Array) => new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "image/jpeg" });
    state.styles = started.styles.map((style, index) => ({
      ...style,
      origin: "page",
      preview: URL.createObjectURL(jpeg(started.previews[index])),
    }));
    state.styleKey = state.styles[FIRST_STYLE].key;
    state.addPhotos([{ name: "influ.jpg", blob: jpeg(started.photo) }], true);
    render(state);
    try {
      const bytes = await parts.learn;
      await engine.ask("learn", { bytes }, { transfer: [bytes] });
      current.canLearn = true;
    } catch {
      current.learnFailed = true; // photos can be stylized all the same
    }
    await recallStyles(current);
    await parts.kept;
    document.documentElement.dataset.ready = "all";
  } catch (error) {
    waiting.textContent = say.loadFailed;
    waiting.setAttribute("role", "alert");
    console.error(error);
  }
}

void begin();
