// What is known of one spectrum, below its plot.

import { byId, element, fill, plural, shownLabel, when } from "./dom.js";

export function showTitle(facts, describe) {
  byId("object").textContent = facts.object || facts.name;
  const label = shownLabel(facts);
  const parts = [
    facts.object ? facts.name : "", facts.when || "", facts.exposure ? `${facts.exposure} s` : "",
    facts.points ? plural(facts.points, "point") : "", label ? `label ${describe(label)}` : "",
  ];
  byId("summary").textContent = parts.filter(Boolean).join(" · ");
  document.title = `${facts.object || facts.name} – harvester browse`;
}

export function showFacts(facts, { describe, open }) {
  const entry = (row, more) => element("li", {}, element("button", { type: "button", onclick: () => open(row.number) },
    element("strong", {}, row.object || row.name), " ", element("span", { class: "quiet" }, more)));
  fill(byId("facts"),
    facts.failure ? section("Missing", element("p", {}, `${facts.failure.kind}: ${facts.failure.meaning}`),
      element("p", { class: "quoted" }, facts.failure.detail), element("p", {}, `What to do: ${facts.failure.advice}`)) : null,
    facts.reasons.length ? section("Why to look twice", element("ul", {}, facts.reasons.map((one) => element("li", {}, one)))) : null,
    Object.keys(facts.labels).length ? section("Labels", element("p", {},
      Object.entries(facts.labels).map(([name, label]) => `${name}: ${describe(label)}`).join(" · "))) : null,
    facts.nearest.length ? section("Nearest by shape", element("ul", { class: "near" }, facts.nearest.map((row) =>
      entry(row, [row.name, shownLabel(row) ? describe(shownLabel(row)) : "", `distance ${row.distance.toFixed(2)}`].filter(Boolean).join(" · "))))) : null,
    facts.star.length ? section("The same star", element("ul", { class: "near" }, facts.star.map((row) =>
      entry(row, [row.name, when(row.mjd, true), shownLabel(row) ? describe(shownLabel(row)) : ""].filter(Boolean).join(" · "))))) : null,
    position(facts),
    section("File", element("p", { class: "quiet break" }, facts.did), facts.path ? element("p", { class: "quiet break" }, facts.path) : null,
      facts.notes.length ? element("ul", {}, facts.notes.map((note) => element("li", {}, note))) : null),
    cards(facts.cards),
  );
}

const section = (title, ...content) => element("section", {}, element("h3", {}, title), ...content);

// A link and no more: nothing is loaded from elsewhere before it is followed.
function position({ ra, dec }) {
  if (ra === null || ra === undefined) return null;
  const text = `${ra.toFixed(5)}° ${dec >= 0 ? "+" : "−"}${Math.abs(dec).toFixed(5)}°`;
  const url = `https://aladin.cds.unistra.fr/AladinLite/?target=${encodeURIComponent(`${ra} ${dec}`)}&fov=0.2`;
  const link = navigator.onLine
    ? element("p", {}, element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Show in Aladin Lite"),
      element("span", { class: "quiet" }, " opens aladin.cds.unistra.fr in a new tab, which learns this position"))
    : element("p", { class: "quiet" }, "Aladin Lite needs a network.");
  return section("Position", element("p", {}, `${text} (ICRS)`), link);
}

function cards(all) {
  if (!all.length) return null;
  const body = element("tbody"), search = element("input", { type: "search", placeholder: "Filter", "aria-label": "Filter header cards" });
  const draw = () => {
    const wanted = search.value.toLowerCase();
    fill(body, all.filter((card) => card.join(" ").toLowerCase().includes(wanted)).map(([part, keyword, value, comment]) =>
      element("tr", {}, element("td", { class: "quiet" }, part), element("th", { scope: "row" }, keyword), element("td", {}, value), element("td", { class: "quiet" }, comment))));
  };
  search.addEventListener("input", draw);
  draw();
  return element("details", { id: "cards" }, element("summary", {}, `Header cards (${all.length})`), search, element("div", { class: "scroll" }, element("table", {}, body)));
}
