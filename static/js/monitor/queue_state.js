/**
 * The state that the server tells of, whole or in changes. Knows no page.
 * `requests` and `workers` map ids to rows; `order` lists [id, eta] of those who wait.
 */
export class QueueState {
  requests = new Map();
  workers = new Map();
  order = [];
  totals = {};
  policy = {};
  #ahead = 0;

  /** Seconds since 1970 by the server's clock. */
  now() {
    return Date.now() / 1000 + this.#ahead;
  }

  /** A `state` frame. */
  replace(frame) {
    this.#hear(frame);
    this.requests = new Map(Object.entries(frame.requests));
    this.workers = new Map(Object.entries(frame.workers));
    this.order = frame.order;
    this.totals = frame.totals;
    this.policy = frame.policy;
  }

  /** An `update` frame: rows by the fields that changed, everything else whole. */
  apply(frame) {
    this.#hear(frame);
    for (const name of ["requests", "workers"]) {
      applyRows(this[name], frame[name]);
    }
    for (const name of ["order", "totals", "policy"]) {
      this[name] = frame[name] ?? this[name];
    }
  }

  running() {
    const rows = [...this.requests.values()].filter((row) => row.state === "running");
    return rows.sort((one, other) => one.running_since - other.running_since);
  }

  /** Those who wait, in their order, each with `position` and `eta`. */
  waiting() {
    return this.order
      .map(([id, eta], index) => ({ ...this.requests.get(id), position: index + 1, eta }))
      .filter((row) => row.state === "waiting");
  }

  #hear(frame) {
    this.#ahead = frame.now - Date.now() / 1000;
  }
}

function applyRows(rows, news) {
  if (!news) {
    return;
  }
  for (const [key, fields] of Object.entries(news.set)) {
    rows.set(key, { ...rows.get(key), ...fields });
  }
  for (const key of news.gone) {
    rows.delete(key);
  }
}
