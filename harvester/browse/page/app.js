// The page: what is chosen, shown and labelled.

import { flux, get, listen, post, Refused } from "./api.js";
import { byId, count, element, fill, plural } from "./dom.js";
import { showFacts, showTitle } from "./facts.js";
import { chosen, drawHeads, fillChoices, sortBy } from "./filters.js";
import { bindKeys, showKeys } from "./keys.js";
import { describer, showLabels } from "./labels.js";
import { LINES, parseLines, vacuum } from "./lines.js";
import { showRun } from "./live.js";
import { Plot } from "./plot.js";
import { showSending } from "./sending.js";
import { Table } from "./table.js";

history.replaceState(null, "", "/");    // the token stays out of the history and of bookmarks

const state = { about: null, row: null, facts: null, curve: null, variant: null, own: [], version: 0, labelled: 0, hAlpha: null };
const curves = new Map();               // by row number, so that the next spectrum is there when it is wanted
const describe = (label) => describer(state.about?.names ?? {})(label);

const plot = new Plot(byId("plot"), byId("readout"));
const table = new Table(byId("table"), byId("space"), {
  fetchRows: async (view, start, number) => {
    const { rows } = await get("rows", { view, start, count: number }).catch((error) => {
      if (error.status === 410 && view === table.view) changeView();    // other pages have asked for many since
      throw error;
    });
    return rows;
  },
  onSelect: (row, place) => show(row, place),
  describe,
});

const actions = {
  next: () => table.select(table.place + 1), previous: () => table.select(table.place - 1),
  pageDown: () => table.select(table.place + table.visible), pageUp: () => table.select(table.place - table.visible),
  firstRow: () => table.select(0), lastRow: () => table.select(table.total - 1),
  undo: () => undo(), give: (label) => give(label), again: () => changeView({ keep: false }),
  hAlpha: () => state.hAlpha && plot.around(state.hAlpha, 40), fit: () => plot.fit(),
  closer: () => plot.zoom(0.7), wider: () => plot.zoom(1 / 0.7), left: () => plot.pan(-0.2), right: () => plot.pan(0.2),
  smoother: () => smooth([0, 2, 4, 8].find((sigma) => sigma > plot.sigma) ?? 0),
  lines: () => toggle("lines"), overlay: () => toggle("overlay"), variant: () => nextVariant(),
  cards: () => { const cards = byId("cards"); if (cards) { cards.open = !cards.open; cards.scrollIntoView({ block: "nearest" }); } },
  send: () => send(), search: () => byId("text").focus(), help: () => showKeys(actions),
};

function send() {
  const { facts, curve } = state, spectrum = facts && curve ? { number: facts.number, title: facts.object || facts.name } : {};
  return showSending({ view: table.view, total: table.total, ...spectrum });
}

function toggle(id) { byId(id).checked = !byId(id).checked; draw(true); }

function trouble(error) {
  const text = error instanceof Refused ? error.message : error ? `The server does not answer (${error.message}).` : "";
  byId("trouble").textContent = text;
  if (error && !(error instanceof Refused || error instanceof TypeError)) throw error;
}

// The table -----------------------------------------------------------------------------------------------------------

async function changeView({ keep = true } = {}) {
  const asked = (state.asked = {}), before = state.row?.number;
  drawHeads(() => changeView());
  try {
    const { view, total, version } = await get("view", chosen());
    if (asked !== state.asked) return;
    table.show(view, total);
    state.version = version;
    byId("foot").textContent = table.summary;
    let place = 0;
    if (keep && total && before !== undefined) place = Math.max(0, (await get("where", { view, number: before })).place);
    if (total) await table.select(place); else empty();
    trouble(null);
  } catch (error) { trouble(error); }
}

function empty() {
  Object.assign(state, { row: null, facts: null, curve: null });
  fill(byId("facts"));
  byId("object").textContent = "No spectrum fits";
  byId("summary").textContent = "Change the filters above the table.";
  for (const id of ["figure", "tools"]) byId(id).hidden = true;
  plot.range = null;
  plot.show([], { lines: [], label: "" });
}

// The spectrum --------------------------------------------------------------------------------------------------------

function curveOf(number) {
  if (!curves.has(number)) {
    if (curves.size > 60) curves.delete(curves.keys().next().value);
    const asked = flux(number);
    curves.set(number, asked);
    asked.catch(() => curves.delete(number));
  }
  return curves.get(number);
}

async function show(row, place) {
  Object.assign(state, { row, variant: null });
  showLabels(state.about, row, actions);
  const stored = row.status === "saved" || row.status === "present";
  const [facts, curve] = await Promise.allSettled([get(`spectrum/${row.number}`), stored ? curveOf(row.number) : null]);
  if (state.row?.number !== row.number) return;
  if (facts.status === "rejected") return trouble(facts.reason);
  Object.assign(state, { facts: facts.value, curve: curve.value ?? null, hAlpha: facts.value.hAlpha ?? state.hAlpha });
  showTitle(state.facts, describe);
  showFacts(state.facts, { describe, open });
  showVariants();
  trouble(null);
  if (state.facts.damaged) byId("trouble").textContent = `The stored file cannot be shown: ${state.facts.damaged}`;
  await draw(true);
  document.body.dataset.shown = row.number;
  prefetch(place + 1);
}

async function prefetch(place) {
  const next = await table.row(place).catch(() => null);
  if (next && (next.status === "saved" || next.status === "present")) curveOf(next.number).catch(() => {});
}

async function draw(keep) {
  const { facts, curve } = state;
  if (!facts) return;
  const medium = facts.medium ?? "", shift = medium === "Vacuum" ? vacuum : (wave) => wave;
  const lines = byId("lines").checked ? [...LINES, ...state.own].map((line) => ({ ...line, wave: shift(line.wave) })) : [];
  const shown = curve ? [curve] : [];
  for (const id of ["figure", "tools"]) byId(id).hidden = !curve;
  if (byId("overlay").checked && facts.nearest.length) {
    const near = await curveOf(facts.nearest[0].number).catch(() => null);
    if (facts !== state.facts) return;
    if (near) shown.push({ ...near, faint: true });
  }
  plot.show(shown, { hAlpha: facts.hAlpha ?? null, lines, label: curve?.label || facts.fluxLabel, medium, keep });
  byId("plot").setAttribute("aria-label", `Spectrum of ${facts.object || facts.name}, ${facts.summary ?? byId("summary").textContent}`);
}

async function open(number) {
  const { place } = await get("where", { view: table.view, number }).catch((error) => {
    if (error.status !== 410) throw error;
    return { place: null };
  });
  if (place === null) { state.row = { number }; return changeView(); }
  if (place >= 0) return table.select(place);
  byId("text").value = "";
  for (const name of ["label", "status", "since", "until"]) byId(name).value = "";
  for (const name of ["doubtful", "picked"]) byId(name).checked = false;
  state.row = { number };
  return changeView();
}

function showVariants() {
  const { about, facts, variant } = state;
  if (!about.variants.length || facts.failure) return fill(byId("variants"));
  const button = (name, text) => element("button", { type: "button", "aria-pressed": variant === name ? "true" : "false", onclick: () => showVariant(name) }, text);
  fill(byId("variants"), element("span", { class: "quiet", title: "Each is one request to the archive" }, "from the archive: "),
    button(null, "stored"), about.variants.map((name) => button(name, name === "none" ? "as served" : name)));
}

function nextVariant() {
  const all = [null, ...state.about.variants];
  if (all.length > 1 && state.facts) showVariant(all[(all.indexOf(state.variant) + 1) % all.length]);
}

async function showVariant(name) {
  const number = state.row.number;
  state.variant = name;
  showVariants();
  byId("trouble").textContent = name === null ? "" : "Requesting it from the archive …";
  try {
    const curve = await (name === null ? curveOf(number) : flux(number, name));
    if (state.row.number !== number || state.variant !== name) return;
    state.curve = curve;
    trouble(null);
    await draw(true);
  } catch (error) { trouble(error); }
}

function smooth(sigma) {
  plot.smooth(sigma);
  byId("smoothing").value = sigma;
  byId("sigma").textContent = `${sigma} px`;
}

// Labels --------------------------------------------------------------------------------------------------------------

// A label belongs to what is on the screen: a key that comes before the next spectrum is drawn counts for none.
async function give(label) {
  const { row, about, facts } = state;
  if (!row || about.labeller === null || state.giving || facts?.number !== row.number) return;
  const place = table.place;
  state.giving = true;
  try {
    const { given } = await post("label", { number: row.number, label });
    Object.assign(row, { mine: label });
    state.about.given = given;          // not that of before the request: it may have been read again in between
    state.labelled += 1;
    if (table.place === place) {
      if (place + 1 < table.total) await table.select(place + 1);
      else await table.select(place);
    }
  } catch (error) { trouble(error); } finally { state.giving = false; }
}

async function undo() {
  if (state.about.labeller === null) return;
  try {
    const { number, given } = await post("undo");
    state.about.given = given;
    table.refresh();
    if (number !== null) await open(number);
  } catch (error) { trouble(error); }
}

// Begin ---------------------------------------------------------------------------------------------------------------

async function readAbout() {
  state.about = await get("about");
  byId("harvest").textContent = state.about.harvest;
  fillChoices(state.about, describe);
  showRun(state.about.run);
  reading(state.about);
}

function reading({ read, most, compared }) {
  const stored = (state.about.counts.status.saved ?? 0) + (state.about.counts.status.present ?? 0);
  const expected = Math.min(most, stored);
  const text = read < expected ? `; read ${count(read)} of ${plural(expected, "file")} for time and shape`
    : stored > most ? `; time and shape of the first ${plural(most, "file")}` : "";
  byId("foot").textContent = `${table.summary}${text}`;
  Object.assign(state.about, { read, most, compared });
}

let waiting = 0;
function changed({ version }) {          // at most one new look a second, and never under a labeller's fingers
  if (version === undefined || version === state.version || waiting) return;
  waiting = setTimeout(() => { waiting = 0; state.version = version; table.refresh(); }, 1000);
}

async function begin() {
  addEventListener("unhandledrejection", ({ reason }) => { if (reason instanceof Refused || reason instanceof TypeError) trouble(reason); });
  bindKeys(actions);
  await readAbout();
  if (state.about.labeller !== null) { byId("label").value = "todo"; sortBy("doubt-"); }
  for (const id of ["label", "status", "doubtful", "picked", "since", "until", "sort"]) byId(id).addEventListener("change", () => changeView());
  let typing = 0;
  byId("text").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => changeView(), 200); });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("fit").addEventListener("click", actions.fit);
  byId("h-alpha").addEventListener("click", actions.hAlpha);
  byId("smoothing").addEventListener("input", (event) => smooth(Number(event.target.value)));
  for (const id of ["lines", "overlay"]) byId(id).addEventListener("change", () => draw(true));
  byId("help-button").addEventListener("click", actions.help);
  byId("send-button").addEventListener("click", actions.send);
  byId("own-lines").addEventListener("change", async (event) => {
    state.own = parseLines(await event.target.files[0].text());
    byId("lines").checked = true;
    await draw(true);
  });
  grown = state.about.run.arrivals;
  listen({
    status: (status) => { state.about.run = status; showRun(status); changed(status); grow(status); },
    reading,
    judged: async (message) => { await readAbout(); changed(message); if (state.about.labeller !== null && !state.labelled) await changeView({ keep: false }); },
    picked: async ({ numbers, count: number, alone }) => {
      byId("picked-box").hidden = false;
      if (!alone && number > 1) { byId("picked").checked = true; await changeView({ keep: false }); }
      else if (numbers.length) { table.refresh(); await open(numbers[0]); }
    },
    trouble: ({ message }) => { byId("trouble").textContent = message; },
    lost: (refused) => {
      byId("live").textContent = refused ? "The server was started again: open the address that it printed."
        : "The server has ended, or does not answer.";
    },
    found: async () => {
      const again = document.body.dataset.live;
      document.body.dataset.live = "1";
      showRun(state.about.run);
      if (!again) return;               // what was said in the meantime is lost
      await readAbout();
      table.refresh();
    },
  });
  await changeView();
  byId("table").focus({ preventScroll: true });
}

// New rows come in while a harvest runs. The selected one and the place in the table stay; a labeller is left alone.
let grown = 0, arrived = 0, growing = 0;
function grow({ arrivals }) {
  arrived = arrivals ?? arrived;
  if (growing || arrived === grown || state.about.labeller !== null) return;
  growing = setTimeout(async () => {
    grown = arrived;
    const { scrollTop } = byId("table");
    await readAbout();
    await changeView();
    byId("table").scrollTop = scrollTop;
    growing = 0;
    grow({});
  }, 1000 + table.total / 200);
}

begin().catch((error) => { byId("trouble").textContent = `The page cannot begin: ${error.message}`; throw error; });
