// What was sent, the newest first.

import { by, h, link, say, show } from "./dom.js";
import { ago, coins, explore, moment, now, short, shortened, words } from "./format.js";

/** Rows that are kept up to date; older ones come by `Show older` and stay as they are. */
const FRESH = 12;

export class TransactionTable {
  constructor(api, chainOf) {
    this.api = api;
    this.chainOf = chainOf;
    this.rows = [];
    this.next = null;
    this.body = by("transactions").tBodies[0];
    by("more").addEventListener("click", () => this.older());
  }

  /** Reads the newest again; what was opened below stays. */
  async refresh() {
    const { transactions, next } = await this.api.transactions(FRESH);
    const known = new Set(transactions.map(key));
    const older = this.rows.filter((row) => !known.has(key(row)));
    if (this.rows.length <= FRESH) this.next = next;
    this.rows = this.rows.length <= FRESH ? transactions : [...transactions, ...older];
    this.draw();
  }

  async older() {
    const { transactions, next } = await this.api.transactions(50, this.next);
    this.rows = [...this.rows, ...transactions];
    this.next = next;
    this.draw();
  }

  draw() {
    show(by("transactions-empty"), this.rows.length === 0);
    show(by("transactions"), this.rows.length > 0);
    show(by("more"), this.next !== null);
    this.body.replaceChildren(...this.rows.map((row) => this.row(row)));
  }

  row(row) {
    const chain = this.chainOf(row.chain);
    const cost = row.cost_wei === null ? "" : `${short(coins(row.cost_wei), 6)} ${chain?.native_symbol ?? ""}`;
    const attempts = row.attempts.length > 1 ? ` (${row.attempts.length} attempts)` : "";
    return h("tr", { "data-hash": row.hash },
      h("td", { class: "when" }, h("time", { "data-at": row.created_at, title: moment(row.created_at) }, ago(row.created_at, now()))),
      h("td", { class: "of" }, h("span", { class: "product-link" }, row.product), h("span", { class: "muted" }, ` on ${row.chain}`)),
      h("td", { class: "action" }, words(row.action), h("span", { class: "muted" }, `, ${row.urgency}${attempts}`)),
      h("td", { class: "state-cell" }, h("span", { class: "badge", "data-state": row.state }, h("span", { class: "dot" }), row.state)),
      h("td", { class: "nonce number" }, String(row.nonce)),
      h("td", { class: "hash" }, link(explore(chain, "tx", row.hash), shortened(row.hash), { class: "mono", title: row.hash })),
      h("td", { class: "cost number", title: costInFull(row) }, cost));
  }

  /** Lets relative times go on. */
  tick() {
    for (const time of this.body.querySelectorAll("time")) say(time, ago(Number(time.dataset.at), now()));
  }
}

const key = (row) => `${row.chain_id}/${row.wallet}/${row.nonce}`;

/** All that a transaction cost, and which part of it a layer 2 takes beside gas. */
function costInFull(row) {
  if (row.cost_wei === null) return "";
  const parts = [["L1 data fee", row.l1_fee_wei], ["operator fee", row.operator_fee_wei]]
    .filter(([, wei]) => wei !== null && wei !== "0")
    .map(([name, wei]) => `, of it ${name} ${wei} wei`);
  return `${row.cost_wei} wei${parts.join("")}`;
}
