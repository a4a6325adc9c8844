/** Under `influ ui`: what a tab alone can't do. */

import { filled } from "../messages";
import { h } from "./dom";
import type { State } from "./state";

const POLL_MS = 1000;

interface Job {
  id: string;
  name: string;
  state: "running" | "done" | "stopped" | "failed";
  lines: string[];
  progress: { label: string; done: number; total: number } | null; // total: 0 where it is not known
  report: boolean;
}

/** The token that `influ ui` put behind the page's address; null on any other host. */
export function serverToken(): string | null {
  const given = /token=([\w-]+)/.exec(location.hash)?.[1];
  if (given) sessionStorage.setItem("token", given);
  return given ?? sessionStorage.getItem("token");
}

export function computer(state: State, token: string): HTMLElement {
  const { messages: say } = state;
  const failed = h("p", { class: "error", role: "alert" });
  const said = h("p", { class: "said", role: "status", id: "computer-said" });
  const jobs = h("div", { id: "jobs" });
  const headers = { Authorization: `Bearer ${token}` };
  const ask = async (path: string, body?: BodyInit, type = "application/json") => {
    const response = await fetch(`api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      body,
      headers: { ...headers, ...(body === undefined ? {} : { "Content-Type": type }) },
    }).catch(() => {
      throw new Error(say.serverGone);
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
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
  /** The chosen style by a name that the command knows. */
  const nameOfStyle = async (): Promise<string> => {
    const style = state.chosen!;
    if (style.origin !== "browser") return style.info.name;
    const { file } = await state.engine.ask("styleFile", { style: style.key });
    return (await ask("styles", file as Uint8Array<ArrayBuffer>, "application/octet-stream")).name;
  };
  const stylizeFolder = start("stylize", async () => ({
    source: source.input.value,
    out: target.input.value,
    style: await nameOfStyle(),
    strength: state.strength,
  }));
  const trainStyle = start("train", async () => ({ folder: train.input.value, name: name.input.value, minutes: Number(minutes.input.value) }));
  const install = run(async () => {
    said.textContent = filled(say.registeredDone, { name: await nameOfStyle() });
    await recallRegistered();
  });

  const installButton = h("button", { type: "button", id: "install-style", onclick: install });
  const installed = h("p", { class: "faint", id: "installed" });
  state.onChange(() => {
    const chosen = state.chosen;
    if (!chosen) return;
    installButton.hidden = chosen.origin !== "browser";
    installed.hidden = !installButton.hidden;
    installButton.textContent = filled(say.registered, { name: chosen.info.name });
    installed.textContent = filled(say.registeredAlready, { name: chosen.info.name });
  });

  let following = false;
  async function follow(): Promise<void> {
    if (following) return;
    following = true;
    try {
      for (let running = true; running; ) {
        const jobs: Job[] = (await ask("jobs")).jobs;
        for (const job of jobs.reverse()) rowFor(job.id)(job);
        running = jobs.some((job) => job.state === "running");
        if (running) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      await recallRegistered();
    } catch (error) {
      failed.textContent = (error as Error).message;
    }
    following = false;
  }

  /** The styles that the command has and the page does not, as a training run leaves one. */
  async function recallRegistered(): Promise<void> {
    for (const name of (await ask("styles")).styles as string[]) {
      const key = `computer/${name}`;
      if (state.styles.some((style) => style.key === key)) continue;
      const response = await fetch(`api/styles/${encodeURIComponent(name)}`, { headers });
      const file = new Uint8Array(await response.arrayBuffer());
      try {
        const loaded = await state.engine.ask("openStyle", { key, file });
        state.styles.push({ ...loaded, info: { ...loaded.info, name }, origin: "computer", preview: null });
      } catch {
        continue; // not for this page's base
      }
      state.changed();
    }
  }

  const rows = new Map<string, (job: Job) => void>();
  /** What shows a job's news; its row is made once, so that it keeps the focus. */
  function rowFor(id: string): (job: Job) => void {
    const known = rows.get(id);
    if (known) return known;
    const title = h("h3");
    const bar = h("progress", { max: 1 });
    const lines = h("p", { class: "faint" });
    const stop = h("button", { type: "button", onclick: run(async () => void (await ask(`jobs/${id}/stop`, "{}"))) }, say.stop);
    const report = h("a", { href: `reports/${id}`, target: "_blank", rel: "noopener" }, say.report);
    jobs.prepend(h("div", { class: "job" }, title, bar, lines, h("div", { class: "row" }, stop, report)));
    const show = (job: Job) => {
      const heading = { running: say.jobRunning, done: say.jobDone, stopped: say.jobStopped, failed: say.jobFailed }[job.state];
      const { progress } = job;
      title.textContent = filled(heading, { name: job.name });
      bar.hidden = stop.hidden = job.state !== "running";
      report.hidden = !job.report;
      bar.setAttribute("aria-label", progress?.label ?? job.name);
      if (progress?.total) bar.value = progress.done / progress.total;
      else bar.removeAttribute("value");
      const far = job.state === "running" && progress?.total ? `${progress.label}: ${progress.done} / ${progress.total}` : null;
      lines.textContent = far ?? job.lines.slice(-3).join(" · ");
    };
    rows.set(id, show);
    return show;
  }

  void follow();
  return h(
    "section",
    { id: "computer", "aria-labelledby": "computer-title" },
    h("h2", { id: "computer-title" }, say.computer),
    h("p", { class: "faint" }, say.computerHint),
    h("div", { class: "row" }, installButton),
    installed,
    h("h3", {}, say.stylizeTitle),
    source.row,
    target.row,
    h("div", { class: "row" }, h("button", { type: "button", id: "stylize-folder", onclick: stylizeFolder }, say.stylizeFolder)),
    h("h3", {}, say.trainTitle),
    h("p", { class: "faint" }, say.trainHint),
    train.row,
    name.row,
    minutes.row,
    h("div", { class: "row" }, h("button", { type: "button", id: "train", onclick: trainStyle }, say.train)),
    said,
    failed,
    jobs,
  );
}
