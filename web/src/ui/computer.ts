/** Under `influ ui`: what a tab alone can't do. */

import { filled } from "../messages";
import { h } from "./dom";
import type { State } from "./state";

const POLL_MS = 1000;

interface Job {
  id: string;
  name: string;
  state: "running" | "done" | "failed";
  lines: string[];
  report: boolean;
}

/** The token that `influ ui` put behind the page's address; null on any other host. */
export function serverToken(): string | null {
  const told = /token=([\w-]+)/.exec(location.hash)?.[1];
  if (told) sessionStorage.setItem("token", told);
  return told ?? sessionStorage.getItem("token");
}

export function computer(state: State, token: string): HTMLElement {
  const { messages: say } = state;
  const failed = h("p", { class: "error", role: "alert" });
  const said = h("p", { class: "said", role: "status", id: "computer-said" });
  const jobs = h("div", { id: "jobs" });
  const ask = async (path: string, body?: BodyInit, type = "application/json") => {
    const response = await fetch(`api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      body,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": type }) },
    }).catch(() => {
      throw new Error(say.serverGone);
    });
    const told = await response.json();
    if (!response.ok) throw new Error(told.error);
    return told;
  };
  const run = (act: () => Promise<void>) => async () => {
    failed.textContent = "";
    try {
      await act();
    } catch (error) {
      failed.textContent = (error as Error).message;
    }
  };
  const field = (id: string, label: string, kind = "text") => {
    const input = h("input", { type: kind, id, autocomplete: "off", spellcheck: "false" });
    return { input, row: h("div", { class: "row" }, h("label", { for: id, class: "grow" }, label, input)) };
  };
  const source = field("folder-in", say.folderIn);
  const target = field("folder-out", say.folderOut);
  const train = field("train-folder", say.trainFolder);
  const name = field("train-name", say.trainName);
  const minutes = field("train-minutes", say.trainMinutes);
  minutes.input.value = "10";
  const start = (kind: string, values: () => Promise<Record<string, unknown>>) =>
    run(async () => {
      await ask(`jobs/${kind}`, JSON.stringify(await values()));
      void follow();
    });
  /** The chosen look by a name that the command knows. */
  const nameOfLook = async (): Promise<string> => {
    const look = state.chosen!;
    if (!look.own) return look.info.name;
    const { file } = await state.engine.ask("styleFile", { style: look.key });
    return (await ask("styles", file as Uint8Array<ArrayBuffer>, "application/octet-stream")).name;
  };
  const stylizeFolder = start("stylize", async () => ({
    source: source.input.value,
    out: target.input.value,
    style: await nameOfLook(),
    strength: state.strength,
  }));
  const trainStyle = start("train", async () => ({ folder: train.input.value, name: name.input.value, minutes: Number(minutes.input.value) }));
  const install = run(async () => {
    said.textContent = filled(say.registeredDone, { name: await nameOfLook() });
  });

  const installButton = h("button", { type: "button", id: "install-look", onclick: install }, say.registered);
  state.onChange(() => (installButton.disabled = !state.chosen?.own));

  let following = false;
  async function follow(): Promise<void> {
    if (following) return;
    following = true;
    try {
      for (let running = true; running; ) {
        const told: Job[] = (await ask("jobs")).jobs;
        jobs.replaceChildren(...told.map(rowOf));
        running = told.some((job) => job.state === "running");
        if (running) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    } catch (error) {
      failed.textContent = (error as Error).message;
    }
    following = false;
  }

  function rowOf(job: Job): HTMLElement {
    const heading = { running: say.jobRunning, done: say.jobDone, failed: say.jobFailed }[job.state];
    const stop = h("button", { type: "button", onclick: run(async () => void (await ask(`jobs/${job.id}/stop`, "{}"))) }, say.stop);
    const open = run(async () => {
      const page = await (await fetch(`api/jobs/${job.id}/report`, { headers: { Authorization: `Bearer ${token}` } })).blob();
      window.open(URL.createObjectURL(page), "_blank");
    });
    const report = job.report ? h("button", { type: "button", onclick: open }, say.report) : null;
    return h(
      "div",
      { class: "job" },
      h("h3", {}, filled(heading, { name: job.name })),
      h("p", { class: "faint" }, job.lines.slice(-3).join(" · ")),
      h("div", { class: "row" }, job.state === "running" ? stop : null, report),
    );
  }

  void follow();
  return h(
    "section",
    { id: "computer", "aria-labelledby": "computer-title" },
    h("h2", { id: "computer-title" }, say.computer),
    h("p", { class: "faint" }, say.computerHint),
    h("div", { class: "row" }, installButton),
    source.row,
    target.row,
    h("div", { class: "row" }, h("button", { type: "button", id: "stylize-folder", onclick: stylizeFolder }, say.stylizeFolder)),
    train.row,
    name.row,
    minutes.row,
    h("div", { class: "row" }, h("button", { type: "button", id: "train", onclick: trainStyle }, say.train)),
    said,
    failed,
    jobs,
  );
}
