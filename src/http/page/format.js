// Numbers and moments as people read them. Exact figures stay in the API; here they become short.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span of seconds: `8 s`, `3 min`, `2 h 10 min`, `5 d 3 h`. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  if (whole < DAY) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY, "d", HOUR, "h");
}

function two(seconds, big, bigName, small, smallName) {
  const rest = Math.floor((seconds % big) / small);
  const first = `${Math.floor(seconds / big)} ${bigName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/** How long ago, against a clock in seconds. */
export function ago(at, now) {
  const seconds = now - at;
  return seconds < 1 ? "now" : `${span(seconds)} ago`;
}

/** A moment in full, for titles. */
export function moment(at) {
  return new Date(at * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** The moment now, seconds since 1970. */
export const now = () => Date.now() / 1000;

/** Decimal text cut to that many decimals, without trailing zeros. */
export function short(text, decimals) {
  const [whole, fraction = ""] = String(text).split(".");
  const kept = fraction.slice(0, decimals).replace(/0+$/, "");
  const sign = whole.startsWith("-") ? "-" : "";
  const digits = whole.replace("-", "").replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return kept ? `${sign}${digits}.${kept}` : `${sign}${digits}`;
}

/** Decimal text to exactly that many decimals, cut off. */
export function fixed(text, decimals) {
  const [whole, fraction = ""] = String(text).split(".");
  return decimals === 0 ? whole : `${whole}.${fraction.slice(0, decimals).padEnd(decimals, "0")}`;
}

/** Wei as whole coins, decimal text. */
export function coins(wei) {
  const digits = String(wei).padStart(19, "0");
  return `${digits.slice(0, -18)}.${digits.slice(-18)}`;
}

/** Wei as gwei with few decimals. */
export function gwei(wei) {
  const digits = String(wei).padStart(10, "0");
  return short(`${digits.slice(0, -9)}.${digits.slice(-9)}`, 3);
}

/** An observed value in its unit. */
export function observed(value, unit, symbol = "") {
  switch (unit) {
    case "ratio": return `${short(value, 4)}×`;
    case "seconds": return span(Number(value));
    case "time": return Number(value) === 0 ? "never" : moment(Number(value));
    case "native": return `${short(value, 5)} ${symbol}`.trim();
    case "usd": return `$${short(value, 2)}`;
    default: return short(value, 4);
  }
}

/** `leverage_ratio` as `leverage ratio`. */
export const words = (name) => name.replaceAll("_", " ");

/** The first letter large. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A hash or address with its middle left out. */
export const shortened = (hash) => `${hash.slice(0, 8)}…${hash.slice(-6)}`;

/** Where an explorer shows something; null without one. Only web addresses are followed. */
export function explore(chain, kind, what) {
  if (!chain?.explorer) return null;
  const base = chain.explorer.endsWith("/") ? chain.explorer : `${chain.explorer}/`;
  const address = new URL(`${kind}/${encodeURIComponent(what)}`, base);
  return ["http:", "https:"].includes(address.protocol) ? address.href : null;
}
