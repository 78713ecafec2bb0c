// The row of labels: a button for each key, how many were given, and the agreement of all labellers.

import { get } from "./api.js";
import { byId, count, element, fill } from "./dom.js";

export function describer(names) {
  return (label) => (names[label] && names[label] !== label ? `${label} ${names[label]}` : label);
}

// Draw the buttons; `give` and `undo` are called as by their keys.
export function showLabels(about, row, { give, undo }) {
  const box = byId("labels");
  box.hidden = about.labeller === null;
  if (box.hidden) return;
  const named = Object.entries(about.names).filter(([, name]) => name);
  const offered = named.length ? named : Object.entries(about.names);
  fill(box,
    offered.map(([label, name]) => element("button", {
      type: "button", class: "give", "aria-pressed": row?.mine === label ? "true" : "false", onclick: () => give(label),
    }, element("kbd", {}, label), name ? ` ${name}` : "")),
    element("button", { type: "button", onclick: undo }, element("kbd", {}, "u"), " undo"),
    element("span", { id: "given", class: "quiet" }, `${count(about.given)} by ${about.labeller}`),
    element("button", { type: "button", onclick: showAgreement }, "Agreement"),
  );
}

export async function showAgreement() {
  const pairs = await get("agreement"), dialog = byId("help");
  const rows = pairs.map((pair) => element("tr", {},
    element("td", {}, `${pair.one} and ${pair.other}`), element("td", {}, count(pair.both)),
    element("td", {}, pair.both ? `${(100 * pair.equal / pair.both).toFixed(1)} %` : ""),
    element("td", {}, pair.kappa === null ? "" : pair.kappa.toFixed(3))));
  const head = element("tr", {}, ["labellers", "spectra of both", "equal", "Cohen’s κ"].map((text) => element("th", { scope: "col" }, text)));
  fill(dialog, element("h2", {}, "Agreement"),
    rows.length ? element("table", {}, element("thead", {}, head), element("tbody", {}, rows))
      : element("p", {}, "There is only one labeller so far."),
    element("p", { class: "quiet" }, "κ: 1 is perfect, 0 is what chance would do. The filter “labelled differently” lists the spectra."),
    element("form", { method: "dialog" }, element("button", {}, "Close")));
  dialog.showModal();
}
