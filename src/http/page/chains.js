// The chains: newest head and its age, endpoints and how they are.

import { h, say, set, show } from "./dom.js";
import { ago, gwei, moment, now, short } from "./format.js";

export class ChainPanel {
  constructor(name) {
    this.chain = null;
    this.age = h("span", { class: "chain-age" });
    this.figures = h("div", { class: "chain-figures" });
    this.dispute = h("p", { class: "chain-dispute", hidden: true });
    this.endpoints = h("ul", { class: "endpoints", "aria-label": `Endpoints of ${name}` });
    this.element = h("li", { class: "panel chain", "data-chain": name },
      h("div", { class: "chain-top" }, h("span", { class: "dot" }), h("span", { class: "chain-name" }, name), this.age),
      this.figures, this.dispute, this.endpoints);
  }

  update(chain) {
    this.chain = chain;
    const { head } = chain;
    set(this.element, "data-health", chain.stale ? "error" : "ok");
    set(this.age, "title", head ? moment(head.timestamp) : null);
    const figures = [h("span", {}, "id ", h("b", {}, String(chain.chain_id)))];
    if (head) figures.unshift(h("span", {}, "block ", h("b", { class: "head" }, short(head.number, 0))));
    if (head?.base_fee_per_gas) figures.push(h("span", {}, "base fee ", h("b", {}, `${gwei(head.base_fee_per_gas)} gwei`)));
    this.figures.replaceChildren(...figures);
    say(this.dispute, chain.dispute ? `Endpoints disagree: ${chain.dispute}` : "");
    show(this.dispute, Boolean(chain.dispute));
    this.endpoints.replaceChildren(...chain.endpoints.map(endpoint));
    this.tick();
  }

  /** Lets the age go on, and notices a head that got too old meanwhile. */
  tick() {
    const head = this.chain?.head;
    if (!head) {
      say(this.age, "no head yet");
      return;
    }
    const age = now() - head.timestamp;
    const stale = age > this.chain.stale_after;
    set(this.element, "data-health", stale ? "error" : "ok");
    say(this.age, stale ? `no new head, last ${ago(head.timestamp, now())}` : ago(head.timestamp, now()));
  }
}

function endpoint(node) {
  const fit = node.state === "fit";
  const failures = node.failures > 0 ? `, ${node.failures} failures` : "";
  const title = [node.head === null ? "" : `head ${node.head}`, node.last_error ?? ""].filter(Boolean).join(" · ");
  return h("li", { class: "endpoint", "data-state": node.state, title },
    h("span", { class: "dot" }),
    h("span", { class: "endpoint-label" }, node.label),
    fit && !failures ? null : h("span", { class: "state" }, `${node.state}${failures}`));
}
