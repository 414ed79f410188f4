// Talking to the keeper: calls, and the live stream.

/** A refusal or failure of the keeper, with its fixed word and its sentence. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function call(method, path, body) {
  const options = { method, headers: { accept: "application/json" }, cache: "no-store" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused(0, "unreachable", "The keeper does not answer.");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { code = "failed", message = `The keeper answered ${response.status}.` } = answer?.error ?? {};
  throw new Refused(response.status, code, message);
}

const named = (name) => `/api/v1/products/${encodeURIComponent(name)}`;

export const session = () => call("GET", "/api/v1/session");
export const login = (token) => call("POST", "/api/v1/login", { token });
export const logout = () => call("POST", "/api/v1/logout");
export const products = () => call("GET", "/api/v1/products");
export const product = (name, span) => call("GET", `${named(name)}?span=${span}`);
export const chains = () => call("GET", "/api/v1/chains");
export const gas = () => call("GET", "/api/v1/gas");
export const pause = (name, reason) =>
  call("POST", name === null ? "/api/v1/pause" : `${named(name)}/pause`, { reason });
export const resume = (name) =>
  call("POST", name === null ? "/api/v1/resume" : `${named(name)}/resume`, {});

export function transactions(limit, cursor) {
  const query = new URLSearchParams({ limit });
  if (cursor) query.set("cursor", cursor);
  return call("GET", `/api/v1/transactions?${query}`);
}

const SILENCE_MS = 40_000;
const AGAIN_MS = 2_000;

/**
 * Keeps the live stream open. `on` has a function for each event, and `open` and `lost`. The
 * browser opens a broken stream again by itself, but not one that was refused, nor does it notice
 * one that has gone quiet; both are done here.
 */
export function listen(on) {
  let source = null;
  let retry = null;
  const again = () => {
    on.lost();
    source?.close();
    clearTimeout(retry);
    retry = setTimeout(open, AGAIN_MS);
  };
  const open = () => {
    source = new EventSource("/api/v1/events");
    let alive = setTimeout(again, SILENCE_MS);
    const heard = () => {
      clearTimeout(alive);
      alive = setTimeout(again, SILENCE_MS);
    };
    source.addEventListener("hello", () => { heard(); on.open(); });
    for (const name of ["product", "chains", "transaction", "resync", "ping"]) {
      source.addEventListener(name, (event) => { heard(); on[name]?.(JSON.parse(event.data)); });
    }
    source.addEventListener("error", () => { clearTimeout(alive); again(); });
  };
  open();
}
