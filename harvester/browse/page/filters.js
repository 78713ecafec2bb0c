// The filters above the table: from the page's fields to the server's query and back.

import { byId, count, element, fill } from "./dom.js";

const FIELDS = ["text", "label", "status", "since", "until", "sort"];
const BOXES = ["doubtful", "picked"];

export const COLUMNS = [
  ["object", "Object"], ["name", "Name"], ["label", "Label"], ["time", "Time"],
  ["doubt", "Doubt"], ["unusual", "Unusual"], ["status", "State"],
];

const ORDERS = [
  ["number", "in the order of DIDs"], ["doubt-", "most doubtful first"], ["unusual-", "most unusual first"],
  ["object", "by object"], ["name", "by name"], ["label", "by label"], ["time", "oldest first"], ["time-", "newest first"],
  ["status", "by state"], ["saved-", "stored last first"],
];

// The chosen filters as the server takes them.
export function chosen() {
  const values = Object.fromEntries(FIELDS.map((name) => [name, byId(name).value]));
  for (const name of BOXES) values[name] = byId(name).checked ? "1" : "";
  values.descending = values.sort.endsWith("-") ? "1" : "";
  values.sort = values.sort.replace("-", "");
  return values;
}

export function sortBy(order) {
  const select = byId("sort");
  if (![...select.options].some((option) => option.value === order)) {
    select.append(element("option", { value: order }, `by ${order.replace("-", "")}${order.endsWith("-") ? ", last first" : ""}`));
  }
  select.value = order;
}

export function fillChoices({ counts, names, labeller }, describe) {
  const option = (value, text, number) =>
    element("option", { value }, number === undefined ? text : `${text} (${count(number)})`);
  const labels = Object.entries(counts.label).filter(([label]) => label !== "").sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
  keep(byId("label"), [
    option("", "any label"),
    labeller ? option("todo", "to be labelled") : "",
    labeller ? option("mine", `labelled by ${labeller}`) : "",
    option("any", "with a label"), option("none", "without a label"), option("disagree", "labelled differently"),
    ...labels.map(([label, number]) => option(`is:${label}`, describe(label), number)),
  ]);
  const stored = (counts.status.saved ?? 0) + (counts.status.present ?? 0);
  keep(byId("status"), [
    option("", "any state"), option("stored", "stored", stored), option("missing", "missing"),
    option("failed", "failed", counts.status.failed ?? 0),
    ...Object.entries(counts.kind).map(([kind, number]) => option(`kind:${kind}`, kind.replaceAll("_", " "), number)),
  ]);
  if (!byId("sort").options.length) fill(byId("sort"), ORDERS.map(([value, text]) => option(value, text)));
}

function keep(select, options) {
  const value = select.value;
  fill(select, options);
  if ([...select.options].some((option) => option.value === value)) select.value = value;
}

export function drawHeads(onSort) {
  const { sort, descending } = chosen();
  fill(byId("heads"), COLUMNS.map(([name, title]) => {
    const active = sort === name;
    const next = active && !descending ? `${name}-` : active ? name : ["doubt", "unusual"].includes(name) ? `${name}-` : name;
    const sign = active ? (descending ? " ↓" : " ↑") : "";
    const head = element("button", { type: "button", tabindex: -1, class: `head ${name === "status" ? "state" : name}`,
      onclick: () => { sortBy(next); onSort(); } }, `${title}${sign}`);
    return head;
  }));
}
