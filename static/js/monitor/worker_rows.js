import { count, duration, memory, milliseconds, percent, setText, words } from "./format.js";
import { KeyedRows } from "./keyed_rows.js";

const STATES = {
  starting: () => gettext("starting"),
  ready: () => gettext("ready"),
  draining: () => gettext("stopping"),
  stopped: () => gettext("stopped"),
};

/** The table of workers. `on` has `drain` and `undrain`, called with a worker's row. */
export class WorkerRows {
  #state;
  #on;
  #rows;
  #none;

  constructor(root, state, on) {
    this.#state = state;
    this.#on = on;
    this.#none = root.querySelector("[data-workers-none]");
    this.#rows = new KeyedRows(
      root.querySelector("[data-workers]"),
      document.getElementById("worker-template"),
      (worker) => worker.name,
      (row, worker) => this.#fill(row, worker),
    );
  }

  show() {
    const workers = [...this.#state.workers.values()];
    this.#rows.show(workers);
    this.#none.hidden = workers.length > 0;
  }

  #fill(row, worker) {
    if (row.dataset.worker !== worker.name) {
      row.dataset.worker = worker.name;
      this.#listen(row, worker.name);
    }
    const isLive = worker.live;
    const set = (name, text) => setText(row.querySelector(`[data-${name}]`), text);
    set("name", worker.name);
    set("device", [worker.device, worker.dtype, worker.runner].filter(Boolean).join(" · "));
    set("model", worker.model);
    set("state", stateWords(worker));
    set("detail", worker.detail);
    set("running", words("%(running)s / %(places)s", this.#places(worker)));
    set("rate", isLive ? count(worker.tokens_per_s ?? NaN, 1) : "–");
    set("step", isLive ? milliseconds(worker.step_ms) : "–");
    set("kv", isLive && worker.kv_used !== null ? percent(worker.kv_used) : "–");
    set("memory", isLive ? memory(worker.memory_used, worker.memory_total) : "–");
    set("heard", duration(this.#state.now() - worker.heartbeat_at));
    row.querySelector("[data-state]").dataset.kind = kindOf(worker);
    row.classList.toggle("is-gone", !isLive);
    this.#showButtons(row, worker);
  }

  #places(worker) {
    const places = Math.min(worker.slots, this.#state.policy.max_running ?? worker.slots);
    return { running: count(worker.running), places: count(places) };
  }

  #showButtons(row, worker) {
    const drain = row.querySelector("[data-drain]");
    if (!drain) {
      return;
    }
    const undrain = row.querySelector("[data-undrain]");
    const hadFocus = [drain, undrain].includes(document.activeElement);
    drain.hidden = !worker.accepts;
    undrain.hidden = worker.accepts;
    const reason = worker.live ? "" : gettext("This worker is gone; it takes nothing.");
    for (const button of [drain, undrain]) {
      button.disabled = Boolean(reason);
      button.title = reason;
    }
    if (hadFocus) {
      (worker.accepts ? drain : undrain).focus();
    }
  }

  #listen(row, name) {
    const worker = () => this.#state.workers.get(name);
    row.querySelector("[data-drain]")?.addEventListener("click", () => this.#on.drain(worker()));
    row.querySelector("[data-undrain]")?.addEventListener("click", () => this.#on.undrain(worker()));
  }
}

function kindOf(worker) {
  if (!worker.live) {
    return "gone";
  }
  return worker.accepts ? worker.state : "drained";
}

function stateWords(worker) {
  if (!worker.live) {
    return worker.state === "stopped" ? gettext("stopped") : gettext("not heard of");
  }
  if (worker.accepts || worker.state !== "ready") {
    return STATES[worker.state]?.() ?? worker.state;
  }
  return worker.running ? gettext("draining") : gettext("drained");
}
