import { count, duration, range, setText, words } from "./format.js";
import { KeyedRows } from "./keyed_rows.js";

const GROUPS = {
  staff: () => gettext("staff"),
  members: () => "",
  guests: () => gettext("guest"),
};

const HELD_BACK = {
  share: () => gettext("after own answers"),
  suspect: () => gettext("alone, later"),
};

/**
 * The two tables of requests. `history` is an address, or '' for whoever may not see it; `on` has
 * `abort`, `front` and `priority`, each called with a row.
 */
export class RequestRows {
  #state;
  #history;
  #on;
  #running;
  #waiting;
  #root;

  constructor(root, state, history, on) {
    this.#history = history;
    this.#root = root;
    this.#state = state;
    this.#on = on;
    this.#running = this.#table("running", (row, item) => this.#fillRunning(row, item));
    this.#waiting = this.#table("waiting", (row, item) => this.#fillWaiting(row, item));
  }

  show() {
    const running = this.#state.running();
    const waiting = this.#state.waiting();
    this.#running.show(running);
    this.#waiting.show(waiting);
    this.#part("running-none").hidden = running.length > 0;
    this.#part("waiting-none").hidden = waiting.length > 0;
    this.#showMore((this.#state.totals.waiting ?? 0) - waiting.length);
  }

  #table(kind, fill) {
    const template = document.getElementById(`${kind}-template`);
    return new KeyedRows(this.#part(kind), template, (item) => item.id, fill);
  }

  #part(name) {
    return this.#root.querySelector(`[data-${name}]`);
  }

  #showMore(more) {
    const element = this.#part("waiting-more");
    element.hidden = more <= 0;
    const sentence = ngettext("and %(more)s more", "and %(more)s more", more);
    setText(element, more > 0 ? words(sentence, { more: count(more) }) : "");
  }

  #fillRunning(row, item) {
    this.#fillBoth(row, item);
    const now = this.#state.now();
    const isReading = item.first_token_at === null;
    set(row, "worker", item.worker);
    set(row, "slot", count(item.slot ?? NaN));
    set(row, "tokens", count(item.completion_tokens));
    set(row, "stage", this.#stage(item, isReading));
    set(row, "rate", isReading ? count(NaN) : count(item.tokens_per_s ?? NaN, 1));
    set(row, "waited", duration(item.claimed_at - item.submitted_at));
    set(row, "age", duration(now - item.submitted_at));
    disable(row, "abort", item.abort_requested ? gettext("It is being aborted.") : "");
  }

  #stage(item, isReading) {
    if (item.abort_requested) {
      return gettext("is being aborted");
    }
    const parts = [];
    if (isReading) {
      parts.push(gettext("reading the prompt"));
    }
    if (item.attempt > 1) {
      parts.push(words(gettext("attempt %(attempt)s"), item));
    }
    if (item.suspect) {
      parts.push(gettext("alone, as an engine died on it"));
    }
    return parts.join(", ");
  }

  #fillWaiting(row, item) {
    this.#fillBoth(row, item);
    set(row, "position", count(item.position));
    set(row, "priority", count(item.priority));
    set(row, "waited", duration(this.#state.now() - item.submitted_at));
    set(row, "eta", HELD_BACK[item.held_back]?.() ?? range(item.eta));
    disable(row, "front", this.#whyNotFront(item));
    label(row, "raise", gettext("Raise the priority of %(user)s"), item);
    label(row, "lower", gettext("Lower the priority of %(user)s"), item);
  }

  #whyNotFront(item) {
    if (item.held_back === "share") {
      return gettext("This person runs as many answers as one may; it starts after these.");
    }
    if (item.held_back === "suspect") {
      return gettext("An engine died on it, so it starts after the one that runs alone now.");
    }
    return item.position === 1 ? gettext("It is the next one already.") : "";
  }

  #fillBoth(row, item) {
    if (row.dataset.request !== item.id) {
      row.dataset.request = item.id;
      this.#listen(row, item.id);
    }
    set(row, "user", item.user);
    if (this.#history) {
      row.querySelector("[data-user]").href = `${this.#history}?user__id__exact=${item.user_id}`;
    }
    set(row, "group", GROUPS[item.group]?.() ?? "");
    set(row, "model", item.model || gettext("any"));
    label(row, "abort", gettext("Abort the answer to %(user)s"), item);
    label(row, "front", gettext("Move %(user)s to the front"), item);
  }

  #listen(row, id) {
    const item = () => this.#state.requests.get(id);
    const press = (name, act) => button(row, name)?.addEventListener("click", () => item() && act(item()));
    press("abort", (found) => this.#on.abort(found));
    press("front", (found) => this.#on.front(found));
    press("raise", (found) => this.#on.priority(found, found.priority + 1));
    press("lower", (found) => this.#on.priority(found, found.priority - 1));
  }
}

function set(row, name, text) {
  setText(row.querySelector(`[data-${name}]`), text);
}

function button(row, name) {
  return row.querySelector(`button[data-${name}]`);
}

function label(row, name, sentence, item) {
  button(row, name)?.setAttribute("aria-label", words(sentence, item));
}

/** A button that cannot act now says why. */
function disable(row, name, reason) {
  const found = button(row, name);
  if (found) {
    found.disabled = Boolean(reason);
    found.title = reason;
  }
}
