// The strip above the page: the run that is active, or how the last one ended.

import { byId, count, element, fill } from "./dom.js";

export function showRun(run) {
  const strip = byId("live");
  strip.dataset.state = run.state;
  if (run.state === "none") return fill(strip, "no run yet");
  const done = run.present + run.saved;
  const bar = element("progress", { max: run.listed || 1, value: done, "aria-label": "stored" });
  const numbers = `${count(done)} of ${count(run.listed)} stored${run.failed ? `, ${count(run.failed)} failed` : ""}`;
  if (run.state === "running") {
    const rate = run.seconds > 2 ? `, ${(run.saved / run.seconds).toFixed(1)} a second` : "";
    const news = run.recent.length ? run.recent[0] : null;
    return fill(strip, element("span", { class: "dot", "aria-hidden": "true" }, "●"), element("strong", {}, run.pause ? "paused" : "running"), bar,
      element("span", {}, numbers + rate), element("span", { class: "news quiet" }, run.pause || (news ? `${news.event}: ${news.text}` : "")));
  }
  fill(strip, element("span", {}, `${numbers}${run.state === "interrupted" ? "; the last run was interrupted" : ""}`));
}
