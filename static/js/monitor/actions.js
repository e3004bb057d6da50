import { setText, words } from "./format.js";

const TIMEOUT_MS = 15_000;

/** What the buttons ask of the server, and the line that says what came of it. */
export class Actions {
  #base;
  #token;
  #said;
  #done;

  constructor(base, root, done) {
    this.#base = base;
    this.#token = root.querySelector("[name=csrfmiddlewaretoken]").value;
    this.#said = root.querySelector("[data-said]");
    this.#done = done;
  }

  /** Posts to one of the page's addresses, and says what came of it. */
  async act(path, fields = {}) {
    const answer = await this.post(path, fields);
    this.say(answer.detail);
    return answer;
  }

  say(sentence) {
    setText(this.#said, sentence);
  }

  /** `{ok, detail, errors}`; a sentence in any case. */
  async post(path, fields) {
    try {
      const response = await fetch(this.#base + path, {
        method: "POST",
        headers: { "X-CSRFToken": this.#token, Accept: "application/json" },
        body: new URLSearchParams(fields),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      this.#done();
      return { ok: response.ok, ...(await sentenceOf(response)) };
    } catch {
      return { ok: false, detail: gettext("That did not reach the server. Try again.") };
    }
  }
}

/** What an action answers; of a page that came instead, what that means. */
async function sentenceOf(response) {
  if (response.headers.get("Content-Type")?.startsWith("application/json")) {
    return response.json();
  }
  if (response.redirected || response.status === 403) {
    return { ok: false, detail: gettext("You are signed out. Sign in again.") };
  }
  const sentence = gettext("The server could not do it (error %(status)s). Try again.");
  return { ok: false, detail: words(sentence, { status: response.status }) };
}
