// One product: how it is, what was decided and why, its chart, its wallet.

import { Chart } from "./chart.js";
import { h, link, say, set, show } from "./dom.js";
import { Parts } from "./parts.js";
import { ago, coins, explore, fixed, gwei, moment, observed, sentence, short, shortened, span, words } from "./format.js";

/** How a decision reads, by its kind. */
const VERDICTS = {
  wait: () => "Nothing is due",
  act: (action) => `Sent ${action}`,
  held: (action) => `${sentence(action)} is due and held back`,
  refused: (action) => `${sentence(action)} is due and not sent`,
  rehearsed: (action) => `Would send ${action}`,
  blocked: (action) => (action ? `${sentence(action)} is due, the protocol refuses it` : "Something is due, the protocol refuses it"),
  error: () => "Could not look",
};

/** A text with hashes, addresses and long fractions shortened; the whole stands in the title. */
const brief = (text) => text
  .replace(/0x[0-9a-fA-F]{40,64}/g, shortened)
  .replace(/(\.0*[1-9]\d{2})\d+/g, "$1");

export class ProductCard {
  constructor(name, { onPause, onVisible }) {
    this.name = name;
    this.product = null;
    this.chain = null;
    this.history = null;
    this.chart = new Chart();
    this.parts = new Parts();
    this.button = h("button", { type: "button", class: "quiet", click: () => onPause(this.product) });
    this.badge = h("span", { class: "badge" }, h("span", { class: "dot" }), h("span"));
    this.kind = h("p");
    this.value = h("div", { class: "reading-value" });
    this.label = h("div", { class: "reading-name" });
    this.bounds = h("dl");
    this.reading = h("div", { class: "reading" }, h("div", {}, this.value, this.label), this.bounds);
    this.body = h("div", { class: "product-body" }, this.chart.element, this.reading);
    this.verdict = h("b");
    this.why = h("span");
    this.detail = h("p", { class: "verdict-detail" });
    this.current = h("div", { class: "current", hidden: true });
    this.inputs = h("table", { class: "inputs" });
    this.summary = h("summary", {}, "Inputs");
    this.details = h("details", {}, this.summary, this.inputs);
    this.details.addEventListener("toggle", () => this.showInputs());
    this.facts = h("div", { class: "facts" });
    this.element = h("article", { class: "panel product", "data-product": name, "aria-labelledby": `product-${name}` },
      h("div", { class: "product-top" },
        h("div", { class: "product-title" }, h("h3", { id: `product-${name}` }, name), this.kind),
        this.badge, this.button),
      h("div", { class: "said" }, h("p", { class: "verdict" }, this.verdict, this.why), this.detail),
      this.current, this.body, this.parts.element, this.facts, this.details);
    new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting)) onVisible(this);
    }, { rootMargin: "200px" }).observe(this.element);
  }

  /** The observation that the chart shows: the first that is charted. */
  charted() {
    return this.product?.last?.observations.find((seen) => seen.series) ?? null;
  }

  /** The chain's moment: its newest block, or the wall clock if that is later. */
  moment() {
    return Math.max(Date.now() / 1000, this.chain?.head?.timestamp ?? 0, this.product?.last?.head.timestamp ?? 0);
  }

  /** Takes a history for a span of seconds. */
  load(detail, seconds) {
    this.history = seconds;
    this.update(detail, this.chain);
    const charted = this.charted();
    const series = detail.series.find((line) => line.name === charted?.name && line.of === charted?.of);
    this.chart.load(series?.points ?? [], detail.marks);
    this.drawChart();
  }

  /** Takes the newest state. */
  update(product, chain) {
    this.product = product;
    this.chain = chain ?? this.chain;
    set(this.element, "data-health", product.health);
    set(this.element, "data-block", product.last?.head.number);
    say(this.badge.lastChild, product.health);
    set(this.badge, "title", product.trouble);
    say(this.kind, `${product.strategy} on ${product.chain}${product.dry_run ? " · dry run" : ""}${product.wallet.can_sign ? "" : " · watch only"}`);
    say(this.button, product.paused ? "Resume" : "Pause");
    set(this.button, "aria-label", `${product.paused ? "Resume" : "Pause"} ${product.name}`);
    this.showVerdict();
    this.showCurrent();
    this.showReading();
    this.parts.update(product.last?.observations ?? []);
    this.showFacts();
    this.showInputs();
    const { last } = product;
    const charted = this.charted();
    show(this.body, charted !== null || this.chart.points.length > 0);
    if (charted && this.history !== null) {
      this.chart.add(last.head.timestamp, charted.value);
      if (last.kind === "act") {
        this.chart.mark({ at: last.head.timestamp, block: last.head.number, action: last.action, urgency: last.urgency });
      }
    }
    this.drawChart();
  }

  drawChart() {
    const charted = this.charted();
    if (!charted) return;
    const now = this.product.last.head.timestamp;
    this.chart.update({ ...charted, name: words(charted.name) }, now, this.history === null ? 0 : now - this.history);
  }

  showVerdict() {
    const { last, paused, trouble, health } = this.product;
    const action = last?.action ? words(last.action) : "";
    if (!last) {
      say(this.verdict, "Not looked at yet");
      say(this.why, "");
    } else {
      const verdict = VERDICTS[last.kind]?.(action) ?? last.kind;
      const urgency = last.urgency ? `, ${last.urgency}` : "";
      const repeats = last.reason === "sent" || last.reason === "would send";
      say(this.verdict, verdict);
      say(this.why, repeats ? urgency : `${urgency}: ${last.reason}`);
    }
    const said = [];
    if (paused?.by_operator) {
      const why = paused.reason ? `: ${paused.reason}` : "";
      said.push(`Paused by ${paused.who} ${ago(paused.since, Date.now() / 1000)}${why}.`);
    }
    if (paused?.by_file) said.push(`Paused by its product file${paused.by_operator ? " too" : ""}.`);
    const grave = ["halted", "error", "blocked"].includes(health);
    if (grave && trouble) said.push(sentence(brief(trouble)));
    else if (last?.detail && last.detail !== last.reason && !(last.kind === "act" && this.product.current)) {
      said.push(sentence(brief(last.detail)));
    }
    say(this.detail, said.join(" "));
    set(this.detail, "title", last?.detail ?? null);
    this.detail.classList.toggle("is-trouble", grave);
    show(this.detail, said.length > 0);
  }

  showCurrent() {
    const { current } = this.product;
    show(this.current, current !== null);
    if (!current) return;
    const newest = current.attempts.at(-1);
    const where = current.state === "included" ? `included in block ${current.block}, not final yet` : `${current.state}, waiting for inclusion`;
    const attempts = current.attempts.length > 1 ? ` · attempt ${current.attempts.length}` : "";
    this.current.replaceChildren(
      h("b", {}, sentence(words(current.action))),
      h("span", {}, `${where} · nonce ${current.nonce}${attempts}`),
      newest ? h("span", { class: "muted" }, `up to ${gwei(newest.max_fee_per_gas)} gwei`) : null,
      newest ? link(explore(this.chain, "tx", newest.hash), shortened(newest.hash), { class: "mono", title: newest.hash }) : null,
    );
  }

  showReading() {
    const charted = this.charted();
    show(this.reading, charted !== null);
    if (!charted) return;
    const ratio = charted.unit === "ratio";
    this.value.replaceChildren(ratio ? fixed(charted.value, 3) : observed(charted.value, charted.unit), h("small", {}, ratio ? "×" : ""));
    say(this.label, words(charted.name));
    set(this.reading, "data-outside", this.chart.isOutside(Number(charted.value)));
    set(this.element, "data-value", charted.value);
    const size = isShort(charted) ? (text) => Math.abs(Number(text)) : Number;
    this.bounds.replaceChildren(...named(charted).flatMap(([name, bound]) => {
      const off = size(charted.value) - size(bound);
      const side = off > 0 ? "above" : "below";
      const beyond = (name === "max" && off > 0) || (name === "min" && off < 0);
      return [
        h("dt", {}, off === 0 ? "at" : side, ` ${name}`),
        h("dd", { class: beyond ? "beyond" : "" }, off === 0 ? "" : Math.abs(off).toFixed(3)),
      ];
    }));
  }

  showFacts() {
    const { wallet, last } = this.product;
    const symbol = this.chain?.native_symbol ?? "";
    const low = wallet.min_balance_wei !== null && wallet.balance_wei !== null
      && BigInt(wallet.balance_wei) < BigInt(wallet.min_balance_wei);
    const balance = wallet.balance_wei === null ? "not read yet" : `${short(coins(wallet.balance_wei), 4)} ${symbol}`;
    const address = link(explore(this.chain, "address", wallet.address), shortened(wallet.address), { class: "mono", title: wallet.address });
    const interval = last?.observations.find((seen) => seen.name === "seconds_until_interval");
    this.seen = last ? h("span", { title: last ? moment(last.head.timestamp) : "" }) : null;
    const parts = [
      h("span", { class: low ? "is-low" : "" }, "Wallet ", h("b", { class: "balance" }, balance), low ? " below its minimum" : ""),
      address,
      interval ? h("span", {}, "Interval ", h("b", {}, Number(interval.value) === 0 ? "over" : `in ${span(Number(interval.value))}`)) : null,
      this.seen,
    ];
    this.facts.replaceChildren(...parts.filter((part) => part !== null));
    this.tick();
  }

  showInputs() {
    const observations = this.product?.last?.observations ?? [];
    say(this.summary, `Inputs (${observations.length})`);
    show(this.details, observations.length > 0);
    if (!this.details.open) return;
    const symbol = this.chain?.native_symbol ?? "";
    this.inputs.replaceChildren(h("tbody", {}, ...observations.map((seen) => {
      const bounds = named(seen).reverse()
        .map(([name, bound]) => `${name} ${short(bound, 3)}`).join(" · ");
      return h("tr", {},
        h("th", { scope: "row" }, words(seen.name) + (seen.of ? ` · ${seen.of}` : "")),
        h("td", { title: seen.value }, observed(seen.value, seen.unit, symbol)),
        h("td", {}, bounds));
    })));
  }

  /** Lets relative times go on. */
  tick() {
    const { last } = this.product ?? {};
    if (this.seen && last) say(this.seen, `Block ${short(last.head.number, 0)}, ${ago(last.head.timestamp, Date.now() / 1000)}`);
  }
}

/** Whether all of a range is below zero: the leverage of a short. */
function isShort({ max }) {
  return max !== null && Number(max) < 0;
}

/** The bounds that there are, by the names that people use: a short's maximum is the one farthest from zero. */
function named(seen) {
  const [low, high] = isShort(seen) ? ["max", "min"] : ["min", "max"];
  const bounds = { [low]: seen.min, target: seen.target, [high]: seen.max };
  return ["max", "target", "min"].map((name) => [name, bounds[name]]).filter(([, bound]) => bound !== null);
}
