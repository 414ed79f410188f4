// What this month cost so far: a line for each product, the dearest first.

import { by, h, say, show } from "./dom.js";
import { fixed, short } from "./format.js";

/** Dollars with cents; what is cut off is in the API. */
const dollars = (text) => `$${short(fixed(text, 2), 2)}`;

const STATES = { within: "within", tight: "80 % used", over: "over budget", over_hard: "over hard budget" };

export class Costs {
  constructor(api) {
    this.api = api;
  }

  /** Reads it anew; a failure leaves what is there. */
  async refresh() {
    const report = await this.api.gas();
    show(by("costs-section"), report.total.count > 0);
    say(by("costs-title"), `Costs of ${report.month}`);
    by("costs-body").replaceChildren(...report.products.map(line));
  }
}

function line(product) {
  const { total, budget } = product;
  const failed = Number(total.failed.count) + Number(total.cancelled.count) + Number(total.foreign.count);
  const number = (text) => h("td", { class: "number" }, text);
  return h("tr", { "data-product": product.product },
    h("td", {}, product.product),
    h("td", {}, product.category),
    number(String(total.count)),
    number(failed === 0 ? "–" : String(failed)),
    number(dollars(total.usd)),
    number(total.usd_per_success === null ? "–" : dollars(total.usd_per_success)),
    h("td", { "data-budget": budget?.state ?? null }, budget ? `${budget.used_percent} %, ${STATES[budget.state]}` : "–"));
}
