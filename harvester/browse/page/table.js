// A table of any length: only the rows in sight exist, and pages of rows are asked for as they come into sight.

import { element, plural, shownLabel, when } from "./dom.js";

const ROW = 30;                // pixels, as style.css has it
const TALLEST = 12_000_000;    // pixels: browsers draw nothing beyond about 17 million
const PAGE = 200;
const MOST_PAGES = 100;        // kept: some 5 MB

export class Table {
  constructor(box, space, { fetchRows, onSelect, describe }) {
    Object.assign(this, { box, space, fetchRows, onSelect, describe });
    this.view = null;
    this.total = 0;
    this.place = -1;           // of the selected row
    this.pages = new Map();
    this.before = new Map();   // the rows of pages that are being read again, which stay in sight meanwhile
    this.drawn = new Map();
    box.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    new ResizeObserver(() => this.drawSoon()).observe(box);
  }

  // Show another order of rows; the selection is the caller's to restore.
  show(view, total) {
    this.view = view;
    this.total = total;
    this.place = -1;
    this.forget();
    this.space.style.height = `${Math.min(total * ROW, TALLEST)}px`;
    this.box.setAttribute("aria-rowcount", total);
    this.drawSoon();
  }

  // Read the rows in sight again, where something in them has changed.
  refresh() {
    this.forget();
    this.drawSoon();
  }

  forget() {
    const known = [...this.pages].map(([number, page]) => [number, page.rows ?? this.before.get(number)]);
    this.before = new Map(known.filter(([, rows]) => rows));
    this.pages.clear();
  }

  get visible() { return Math.max(1, Math.floor(this.box.clientHeight / ROW)); }

  // A row's distance from the top, where all rows together are taller than a browser can draw.
  get stretch() { return Math.max(1, (this.total - this.visible) * ROW / Math.max(1, this.space.offsetHeight - this.box.clientHeight)); }

  get first() { return Math.max(0, Math.min(this.total - this.visible, this.box.scrollTop * this.stretch / ROW)); }

  scrollTo(place) {
    const first = this.first, last = first + this.visible - 1;
    let target = null;
    if (place < first) target = place;
    else if (place > last) target = place - this.visible + 1;
    if (target !== null) this.box.scrollTop = target * ROW / this.stretch;
  }

  async row(place) {
    if (place < 0 || place >= this.total) return null;
    const rows = await this.page(Math.floor(place / PAGE));
    return rows[place % PAGE] ?? null;
  }

  page(number) {
    if (!this.pages.has(number)) {
      if (this.pages.size >= MOST_PAGES) this.pages.delete(this.pages.keys().next().value);
      const asked = this.fetchRows(this.view, number * PAGE, PAGE);
      this.pages.set(number, asked);
      asked.then((rows) => { asked.rows = rows; this.drawSoon(); }, () => { if (this.pages.get(number) === asked) this.pages.delete(number); });
    }
    return this.pages.get(number);
  }

  async select(place, { focus = false } = {}) {
    if (!this.total) return;
    this.place = Math.max(0, Math.min(this.total - 1, place));
    this.scrollTo(this.place);
    this.drawSoon();
    if (focus) this.box.focus({ preventScroll: true });
    const wanted = this.place, row = await this.row(wanted);
    if (row && this.place === wanted) await this.onSelect(row, wanted);
  }

  drawSoon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  draw() {
    // The place is read once: after a change of the page it would be laid out again for each row.
    const first = this.first, top = this.box.scrollTop, start = Math.max(0, Math.floor(first) - 2);
    const end = Math.min(this.total, Math.ceil(first) + this.visible + 3);
    for (const [place, drawn] of this.drawn) {
      if (place < start || place >= end) { drawn.remove(); this.drawn.delete(place); }
    }
    for (let place = start; place < end; place++) {
      const page = Math.floor(place / PAGE), rows = this.page(page).rows ?? this.before.get(page);
      const made = this.make(place, rows?.[place % PAGE]);
      made.style.transform = `translateY(${top + (place - first) * ROW}px)`;
      const before = this.drawn.get(place);
      if (before) before.replaceWith(made); else this.space.append(made);
      this.drawn.set(place, made);
    }
    const active = this.drawn.get(this.place);
    if (active) this.box.setAttribute("aria-activedescendant", active.id); else this.box.removeAttribute("aria-activedescendant");
  }

  make(place, row) {
    const chosen = place === this.place;
    const cells = row ? this.cells(row) : [element("span", { role: "gridcell", class: "object quiet" }, "…")];
    return element("div", {
      role: "row", id: `row-${place}`, "aria-rowindex": place + 1, "aria-selected": chosen ? "true" : "false",
      class: `row${row?.status === "failed" ? " failed" : ""}${row?.picked ? " picked" : ""}`,
      onclick: () => this.select(place, { focus: true }),
    }, cells);
  }

  cells(row) {
    const label = shownLabel(row);
    const state = row.status === "failed" ? row.kind.replaceAll("_", " ") : row.status === "saved" || row.status === "present" ? "" : row.status;
    const cell = (name, text, title) => element("span", { role: "gridcell", class: name, title: title ?? null }, text);
    return [
      cell("object", row.object || row.name, row.object),
      cell("name", row.name, row.did),
      element("span", { role: "gridcell", class: `label${row.mine !== null ? " mine" : ""}${row.disagree ? " disagree" : ""}`,
        title: row.disagree ? "labelled differently" : null }, label ? this.describe(label) : ""),
      cell("time", when(row.mjd)),
      cell("doubt", row.doubt === null ? "" : row.doubt.toFixed(2)),
      cell("unusual", row.unusual === null ? "" : row.unusual.toFixed(1)),
      cell("state", state, state),
    ];
  }

  get summary() { return plural(this.total, "spectrum", "spectra"); }
}
