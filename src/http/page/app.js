// The page: reads the state once, then follows the live stream.

import * as api from "./api.js";
import { ChainPanel } from "./chains.js";
import { Costs } from "./costs.js";
import { confirm, login } from "./dialogs.js";
import { by, h, say, set, show } from "./dom.js";
import { now, span } from "./format.js";
import { ProductCard } from "./product.js";
import { TransactionTable } from "./transactions.js";

const SPANS = [["1 h", 3600], ["24 h", 86400], ["7 d", 604800], ["1 y", 31536000]];
const HEALTH = ["halted", "error", "blocked", "paused", "waiting", "acting", "ok"];

const cards = new Map();
const panels = new Map();
const chains = new Map();
const table = new TransactionTable(api, (name) => chains.get(name));
const costs = new Costs(api);
let session = { may_read: false, may_write: false, token_configured: false };
let seconds = SPANS[1][1];
let shown = null;
let lostAt = null;
let refusals = 0;

// --- state in ---------------------------------------------------------------------------------

function takeChains(list) {
  for (const chain of list) {
    chains.set(chain.name, chain);
    let panel = panels.get(chain.name);
    if (!panel) {
      panel = new ChainPanel(chain.name);
      panels.set(chain.name, panel);
      by("chains").append(panel.element);
    }
    panel.update(chain);
  }
}

function takeProduct(product) {
  let card = cards.get(product.name);
  if (!card) {
    card = new ProductCard(product.name, { onPause: pauseOrResume, onVisible: loadHistory });
    cards.set(product.name, card);
    by("products").append(card.element);
  }
  card.update(product, chains.get(product.chain));
  show(card.element, shown === null || product.health === shown);
}

async function loadHistory(card) {
  const wanted = seconds;
  if (card.history === wanted || card.loading === wanted) return;
  card.loading = wanted;
  try {
    const detail = await api.product(card.name, wanted);
    if (wanted === seconds) card.load(detail, wanted);
  } catch (error) {
    complain(error);
    setTimeout(() => loadHistory(card), 5000);
  } finally {
    card.loading = null;
  }
}

async function readAll() {
  const [chainList, productList] = await Promise.all([api.chains(), api.products()]);
  takeChains(chainList.chains);
  for (const product of productList.products) takeProduct(product);
  tally();
  for (const card of cards.values()) {
    if (card.history !== null) {
      card.history = null;
      loadHistory(card);
    }
  }
  await Promise.all([table.refresh(), costs.refresh()]);
}

// --- what is shown ----------------------------------------------------------------------------

function tally() {
  const counts = new Map();
  for (const { product } of cards.values()) {
    counts.set(product.health, (counts.get(product.health) ?? 0) + 1);
  }
  if (shown !== null && !counts.has(shown)) only(null);
  const buttons = HEALTH.filter((health) => counts.has(health)).map((health) =>
    h("button", {
      type: "button", "data-health": health, "aria-pressed": String(shown === health),
      click: () => only(shown === health ? null : health),
    }, h("span", { class: "dot" }), h("b", {}, String(counts.get(health))), health));
  const focused = document.activeElement?.dataset?.health;
  by("tally").replaceChildren(...buttons);
  buttons.find((button) => focused && button.dataset.health === focused)?.focus();
  show(by("resume-all"), counts.has("paused"));
  say(by("products-empty"), "No products are configured.");
  show(by("products-empty"), cards.size === 0);
}

function only(health) {
  shown = health;
  for (const card of cards.values()) show(card.element, health === null || card.product.health === health);
  tally();
}

function chooseSpan(wanted) {
  seconds = wanted;
  for (const button of by("spans").children) set(button, "aria-pressed", String(Number(button.value) === wanted));
  for (const card of cards.values()) if (card.history !== null) loadHistory(card);
}

function takeSession(next) {
  session = next;
  say(by("session"), session.may_write ? "Log out" : "Log in");
  say(by("version"), `Ballast ${session.version}`);
}

function linkState(state, text) {
  set(by("link"), "data-state", state);
  say(by("link"), text);
}

function complain(error) {
  if (error.status === 401) return askToRead();
  banner(error.message);
}

function banner(text) {
  say(by("banner"), text);
  show(by("banner"), Boolean(text));
}

let asking = false;

/** Reads need the token here: nothing can be shown before. */
async function askToRead() {
  if (asking) return;
  asking = true;
  banner("This keeper shows nothing here without its operator token.");
  const done = await login("Reading from another machine needs the operator token of this keeper.");
  asking = false;
  if (done) start();
}

// --- what people do ---------------------------------------------------------------------------

/** Makes sure that this browser may change something; false if not. */
async function mayWrite() {
  if (session.may_write) return true;
  if (!(await login())) return false;
  takeSession(await api.session());
  return session.may_write;
}

async function pauseOrResume(product) {
  if (!(await mayWrite())) return;
  const pausing = !product?.paused;
  const name = product?.name ?? null;
  await confirm(pausing ? {
    title: `Pause ${name}?`,
    why: "Nothing is sent for it until it is resumed, emergencies included. What is on its way can still be mined.",
    verb: "Pause", wantsReason: true,
  } : {
    title: `Resume ${name}?`,
    why: "What is due is sent again, from the next look on.",
    verb: "Resume", wantsReason: false,
  }, async (reason) => {
    const answer = await (pausing ? api.pause(name, reason) : api.resume(name));
    takeProduct(answer);
    tally();
    if (answer.note) throw new Error(answer.note);
  }).catch(complain);
}

async function everything(pausing) {
  if (!(await mayWrite())) return;
  await confirm({
    title: pausing ? "Pause all products?" : "Resume all products?",
    why: pausing ? "Nothing is sent for any product until it is resumed, emergencies included." : "What is due is sent again, from the next look on.",
    verb: pausing ? "Pause all" : "Resume all", wantsReason: pausing,
  }, async (reason) => {
    const { products } = await (pausing ? api.pause(null, reason) : api.resume(null));
    products.forEach(takeProduct);
    tally();
    const notes = products.map((product) => product.note).filter(Boolean);
    if (notes.length > 0) throw new Error(notes.join("\n"));
  }).catch(complain);
}

async function logInOrOut() {
  if (session.may_write) await api.logout();
  else if (!(await login())) return;
  takeSession(await api.session());
}

// --- running ----------------------------------------------------------------------------------

let following = false;

function follow() {
  if (following) return;
  following = true;
  let refreshing = null;
  const later = () => {
    refreshing ??= setTimeout(() => {
      refreshing = null;
      Promise.all([table.refresh(), costs.refresh()]).catch(complain);
    }, 150);
  };
  const reread = () => readAll().catch(complain);
  api.listen({
    open: () => {
      lostAt = null;
      refusals = 0;
      document.body.classList.remove("is-lost");
      linkState("live", "live");
      banner("");
      // Read after the stream is open, so that nothing falls between the two.
      reread();
    },
    lost,
    product: (product) => { takeProduct(product); tally(); },
    chains: ({ chains: list }) => takeChains(list),
    transaction: later,
    resync: reread,
  });
}

/** The stream broke: the keeper is gone, wants a login, or has too many listeners. */
async function lost() {
  try {
    takeSession(await api.session());
    lostAt = null;
    linkState("lost", "not live");
    if (!session.may_read) return askToRead();
    refusals += 1;
    // Once is a stream that was over, and the next one opens in a moment.
    if (refusals > 1) banner("The keeper answers but gives no live updates, perhaps to too many open pages already; this page goes on trying.");
    if (cards.size === 0) await readAll();
  } catch {
    lostAt ??= now();
    document.body.classList.add("is-lost");
    linkState("lost", "keeper lost");
    tick();
  }
}

function tick() {
  for (const panel of panels.values()) panel.tick();
  for (const card of cards.values()) card.tick();
  table.tick();
  if (lostAt !== null) {
    banner(`The keeper does not answer, for ${span(now() - lostAt)} now. What you see is from before; this page goes on trying.`);
  }
}

async function start() {
  try {
    takeSession(await api.session());
    if (!session.may_read) return askToRead();
    banner("");
    follow();
  } catch (error) {
    if (error.status === 0) {
      lostAt ??= now();
      linkState("lost", "keeper lost");
      setTimeout(start, 2000);
      tick();
    } else complain(error);
  }
}

by("spans").append(...SPANS.map(([label, value]) =>
  h("button", { type: "button", value, "aria-pressed": String(value === seconds), click: () => chooseSpan(value) }, label)));
by("pause-all").addEventListener("click", () => everything(true));
by("resume-all").addEventListener("click", () => everything(false));
by("session").addEventListener("click", () => logInOrOut().catch(complain));
setInterval(tick, 1000);
start();
