// What a product consists of: each part's share, and the one that it goes to.

import { h, say, show } from "./dom.js";
import { words } from "./format.js";

/** A share as percent. */
const percent = (share) => `${(Number(share) * 100).toFixed(2)} %`;

/** How a part stands, by its other observations: done, or what it waits for. */
function standing(observations, of) {
  const own = observations.filter((seen) => seen.of === of);
  const has = (name) => own.find((seen) => seen.name === name);
  if (Number(has("is_met")?.value ?? 0) === 1) return "done";
  const held = own.find((seen) => seen.name.startsWith("held_") || seen.name.startsWith("waits_for_"));
  if (held) return words(held.name);
  const left = Number(has("trades_of_component")?.value ?? 0);
  const rests = has("ready_at") ? ", rests" : "";
  return left > 0 ? `${left} ${left === 1 ? "trade" : "trades"} left${rests}` : "";
}

/** The parts of a product, one a row; hidden for a product without. */
export class Parts {
  constructor() {
    this.rows = h("tbody");
    this.caption = h("caption");
    this.element = h("table", { class: "parts", hidden: true }, this.caption, this.rows);
  }

  update(observations) {
    const shares = observations.filter((seen) => seen.name === "weight" && seen.of && (seen.target !== null || Number(seen.value) > 0));
    show(this.element, shares.length > 0);
    const met = observations.find((seen) => seen.name === "components_met");
    say(this.caption, met?.target ? `${Number(met.value)} of ${Number(met.target)} components at their target` : "");
    const most = Math.max(...shares.flatMap((seen) => [Number(seen.value), Number(seen.target ?? 0)]));
    this.rows.replaceChildren(...shares.map((seen) => h("tr", { "data-part": seen.of },
      h("th", { scope: "row" }, seen.of),
      h("td", {}, h("meter", { min: 0, max: most, value: Number(seen.value), "aria-label": `share of ${seen.of}` })),
      h("td", { class: "share" }, percent(seen.value)),
      h("td", {}, seen.target === null ? "" : `of ${percent(seen.target)}`),
      h("td", {}, standing(observations, seen.of)))));
  }
}
