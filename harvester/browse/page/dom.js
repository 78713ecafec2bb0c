// Elements are built here only, and text is always text: nothing that a server sent becomes markup.

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
}

// Thousands are separated by narrow blanks, at which no line breaks.
export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// A modified Julian date as a UT day, or day and minute.
export function when(mjd, minutes = false) {
  if (mjd === null || mjd === undefined) return "";
  const text = new Date((mjd - 40587) * 86400000).toISOString();
  return minutes ? `${text.slice(0, 10)} ${text.slice(11, 16)} UT` : text.slice(0, 10);
}

export const shownLabel = (row) => row.mine ?? row.label ?? "";
