// The keyboard: one table of keys, for the page and for its help.

import { byId, element, fill } from "./dom.js";

// actions: {name: function}; keys that have no action on this page are not listed.
const KEYS = [
  ["j", "ArrowDown", "next", "next spectrum"], ["k", "ArrowUp", "previous", "previous spectrum"],
  ["PageDown", "", "pageDown", "a page down"], ["PageUp", "", "pageUp", "a page up"],
  ["Home", "", "firstRow", "first row"], ["End", "", "lastRow", "last row"],
  ["0 … 9", "", "give", "set a label and go on"], ["u", "", "undo", "take the last label back"],
  ["r", "", "again", "sort and filter again, with the newest labels and doubts"],
  ["h", "", "hAlpha", "around Hα"], ["f", "", "fit", "the whole spectrum"],
  ["+", "=", "closer", "closer"], ["-", "", "wider", "wider"],
  ["ArrowLeft", "", "left", "to shorter wavelengths"], ["ArrowRight", "", "right", "to longer wavelengths"],
  ["s", "", "smoother", "smoothing: 0, 2, 4, 8 pixels"], ["l", "", "lines", "spectral lines"],
  ["o", "", "overlay", "the nearest spectrum on top"], ["v", "", "variant", "next FLUXCALIB variant, from the archive"],
  ["c", "", "cards", "header cards"], ["t", "", "send", "to TOPCAT and other programs, by SAMP"], ["/", "", "search", "search"], ["?", "", "help", "this list"],
];

export function bindKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
    if (event.target.matches("input:not([type=checkbox]):not([type=range]), select")) {
      if (event.key === "Escape") event.target.blur();
      if (event.key === "Enter" || event.key === "Escape") { byId("table").focus(); event.preventDefault(); }
      return;
    }
    const digit = /^[0-9]$/.test(event.key);
    const found = digit ? KEYS.find(([key]) => key === "0 … 9") : KEYS.find(([key, other]) => key === event.key || other === event.key);
    const action = found && actions[found[2]];
    if (!action || (event.repeat && digit)) return;
    event.preventDefault();
    action(event.key);
  });
}

export function showKeys(actions) {
  const dialog = byId("help");
  const shown = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→" };
  fill(dialog, element("h2", {}, "Keys"),
    element("dl", {}, KEYS.filter((key) => actions[key[2]]).flatMap(([key, other, , text]) => [
      element("dt", {}, [key, other].filter((one) => one && one !== "=").map((one) => element("kbd", {}, shown[one] ?? one))), element("dd", {}, text)])),
    element("p", { class: "quiet" }, "Plot: drag to zoom in, wheel or pinch, shift and drag to move, double-click for all."),
    element("form", { method: "dialog" }, element("button", {}, "Close")));
  dialog.showModal();
}
