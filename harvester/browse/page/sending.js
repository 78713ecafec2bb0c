// The dialog that sends the table, or the spectrum, to other programs by SAMP.

import { get, post } from "./api.js";
import { byId, element, fill, plural } from "./dom.js";

// shown: {view, total} of the table, and {number, title} of the spectrum if one is shown that is stored.
export async function showSending(shown) {
  const dialog = byId("help"), said = element("p", { id: "sent", role: "status" }, "Asking the SAMP hub …");
  const close = element("form", { method: "dialog" }, element("button", {}, "Close"));
  const draw = (...content) => fill(dialog, element("h2", {}, "Send to other programs"), content, said, close);
  draw();
  if (!dialog.open) dialog.showModal();
  let found;
  try { found = await get("programs"); } catch (error) { said.textContent = error.message; return; }
  const tooMany = shown.total > found.most ? `At most ${plural(found.most, "row")} are sent: filter the table first.` : "";
  said.textContent = found.problem ? `${found.problem[0].toUpperCase()}${found.problem.slice(1)}.` : tooMany;
  const send = async (what, to) => {
    said.textContent = "Sending …";
    try {
      const { took, refused } = await post("send", { ...what, to });
      said.textContent = [took.length ? `Sent to ${took.join(", ")}.` : "No program took it.", ...refused].join(" ");
    } catch (error) { said.textContent = error.message; }
  };
  const line = (title, programs, what, possible) => element("section", {}, element("h3", {}, title),
    programs.length ? null : element("p", { class: "quiet" }, found.problem ? "" : "No program that takes it has joined the hub."),
    element("p", { class: "choices" }, [["", "all that take it"], ...programs.map((name) => [name, name])].map(([to, name]) =>
      element("button", { type: "button", disabled: !possible || !programs.length, onclick: () => send(what, to) }, name))));
  draw(
    line(`The table: ${plural(shown.total, "row")}`, found.table, { view: shown.view }, shown.total && !tooMany),
    shown.number ? line(`The spectrum: ${shown.title}`, found.spectrum, { number: shown.number }, true) : null,
  );
}
