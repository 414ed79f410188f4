// Logging in, and asking before something is stopped or let go.

import * as api from "./api.js";
import { by, say, show } from "./dom.js";

/**
 * Opens a dialog until it is cancelled or `submit` succeeds; a failure is shown inside. Gives
 * whether it was carried out.
 */
function ask(dialog, submit) {
  const form = dialog.querySelector("form");
  const wrong = dialog.querySelector(".wrong");
  const send = dialog.querySelector("button[type=submit]");
  show(wrong, false);
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (done) => {
      over.abort();
      if (dialog.open) dialog.close();
      resolve(done);
    };
    const on = (target, name, what) => target.addEventListener(name, what, { signal: over.signal });
    on(dialog.querySelector("button[value=cancel]"), "click", () => end(false));
    on(dialog, "close", () => end(false));
    on(form, "submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      try {
        await submit();
        end(true);
      } catch (error) {
        say(wrong, error.message);
        show(wrong, true);
      } finally {
        send.disabled = false;
      }
    });
    dialog.showModal();
  });
}

/** Asks for the token; `why` says what it is needed for. */
export function login(why) {
  const token = by("token");
  token.value = "";
  say(by("login-why"), why ?? "Pausing and resuming need the operator token of this keeper.");
  return ask(by("login"), async () => {
    await api.login(token.value);
    token.value = "";
  });
}

/** Asks before `carryOut`, which gets the reason that was given. */
export function confirm({ title, why, verb, wantsReason }, carryOut) {
  const reason = by("reason");
  reason.value = "";
  say(by("confirm-title"), title);
  say(by("confirm-why"), why);
  say(by("confirm").querySelector("button[type=submit]"), verb);
  show(by("reason-row"), wantsReason);
  return ask(by("confirm"), () => carryOut(reason.value.trim()));
}
