import { Answer } from "./answer.js";

const ENDED_REMEMBERED = 500;
const SYNCS_FOR_THE_END = 3;
// A running answer is stored twice a second: what is missing may not be there at once.
const GAP_SYNC_MS = 500;

/**
 * The answers that are on their way, by request id.
 *
 * Events; the `detail` holds the `answer`:
 * `state` it waits or runs, or its place changed · `text` (`appended`, `cut`) its text grew or
 * shrank · `ended` it is whole · `sync` ask the server for what follows its text · `lost` the server
 * could not complete it: read the stored message.
 */
export class Answers extends EventTarget {
  #active = new Map();
  #ended = new Set();

  get(request) {
    return this.#active.get(request);
  }

  all() {
    return [...this.#active.values()];
  }

  /** The answer of a conversation that is not over, if there is one. */
  inConversation(conversation) {
    return this.all().find((answer) => answer.conversation === conversation);
  }

  hasEnded(request) {
    return this.#ended.has(request);
  }

  /** Begins to follow a request. Undefined when it is known to be over. */
  follow({ request, conversation, message, state = "waiting" }) {
    if (this.#active.has(request) || this.#ended.has(request)) {
      return this.#active.get(request);
    }
    const answer = new Answer({ request, conversation, message, state });
    this.#active.set(request, answer);
    this.#tell("state", answer);
    return answer;
  }

  /** What `hello` says is active; whatever may have been missed is asked for. */
  resume(active) {
    for (const entry of active) {
      const answer = this.follow(entry);
      if (answer) {
        this.#becomes(answer, entry.state);
      }
    }
    const offsets = new Map(active.map(({ request, offset }) => [request, offset]));
    for (const answer of this.all()) {
      if (offsets.get(answer.request) !== answer.stream.length) {
        this.sync(answer);
      }
    }
  }

  waiting({ request, position, waiting, eta_seconds: eta = null }) {
    const answer = this.#heardOf(request);
    if (answer) {
      Object.assign(answer, { position, waiting, eta });
      this.#becomes(answer, "waiting");
    }
  }

  running({ request, attempt }) {
    const answer = this.#heardOf(request);
    if (answer && attempt >= answer.stream.attempt) {
      this.#becomes(answer, "running");
    }
  }

  delta(frame) {
    const answer = this.follow({ ...frame, state: "running" });
    if (!answer) {
      return; // a late copy of something that is over
    }
    this.#heardOf(frame.request);
    if (answer.state !== "running") {
      this.#becomes(answer, "running");
    }
    const change = answer.stream.apply(frame);
    if (change.appended || change.cut) {
      this.#tell("text", answer, change);
    }
    if (answer.finish) {
      this.#endIfWhole(answer);
    } else {
      this.closeGap(answer, change.cut);
    }
  }

  /** Asks for what is missing before held deltas, unless that was asked a moment ago. */
  closeGap(answer, atOnce = false) {
    const isTime = atOnce || Date.now() - answer.syncedAt >= GAP_SYNC_MS;
    if (answer.stream.hasGap && isTime) {
      this.sync(answer);
    }
  }

  finished(frame) {
    const answer = this.follow({ ...frame, state: "running" });
    if (!answer) {
      return;
    }
    this.#heardOf(frame.request);
    answer.finish = frame;
    if (!this.#endIfWhole(answer)) {
      this.#syncForTheEnd(answer);
    }
  }

  /** The stored message is the last word: what was missed of its events does not matter. */
  settle(request) {
    this.#active.delete(request);
    this.#remember(request);
  }

  sync(answer) {
    answer.syncedAt = Date.now();
    this.#tell("sync", answer);
  }

  /** A person pressed stop; said again after a reconnect until the answer ends. */
  stopping(answer) {
    answer.isStopping = true;
    this.#tell("state", answer);
  }

  #heardOf(request) {
    const answer = this.#active.get(request);
    if (answer) {
      answer.quietSince = Date.now();
      answer.quietSyncs = 0;
    }
    return answer;
  }

  #becomes(answer, state) {
    answer.state = state;
    if (state !== "waiting") {
      Object.assign(answer, { position: null, waiting: null, eta: null });
    }
    this.#tell("state", answer);
  }

  #endIfWhole(answer) {
    if (answer.stream.length !== answer.finish.length) {
      return false;
    }
    this.settle(answer.request);
    this.#tell("ended", answer);
    return true;
  }

  #syncForTheEnd(answer) {
    if (answer.endSyncs >= SYNCS_FOR_THE_END) {
      this.#tell("lost", answer);
      return;
    }
    answer.endSyncs += 1;
    if (answer.stream.length > answer.finish.length) {
      answer.stream.replace("");
      this.#tell("text", answer, { appended: "", cut: true });
    }
    this.sync(answer);
  }

  #remember(request) {
    this.#ended.add(request);
    if (this.#ended.size > ENDED_REMEMBERED) {
      this.#ended.delete(this.#ended.values().next().value);
    }
  }

  #tell(type, answer, more = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail: { answer, ...more } }));
  }
}
