import { HttpError } from "../helpers/http.js";

const READ_AGAIN_MS = 500;

/** Reads stored conversations, and brings the answers that are on their way in line with them. */
export class ConversationReader {
  #threads;
  #answers;
  #onRead;

  constructor({ threads, answers }, onRead) {
    this.#threads = threads;
    this.#answers = answers;
    this.#onRead = onRead;
  }

  /** Rejects with an HttpError. */
  async read(conversation) {
    const thread = await this.#threads.load(conversation);
    for (const message of thread.path().filter(({ request }) => request)) {
      if (message.state === "complete") {
        this.#answers.settle(message.request);
      } else {
        this.#follow(message, conversation);
      }
    }
    this.#onRead(conversation);
  }

  /** Where a failure can wait for the next occasion. */
  async repair(conversation) {
    try {
      await this.read(conversation);
    } catch (error) {
      if (!(error instanceof HttpError)) {
        throw error;
      }
      this.#threads.forgetFreshness();
    }
  }

  /** A message that was being answered when it was read. */
  #follow({ id, request }, conversation) {
    if (this.#answers.hasEnded(request)) {
      // It ended while it was read.
      setTimeout(() => this.repair(conversation), READ_AGAIN_MS);
    } else if (!this.#answers.get(request)) {
      this.#answers.sync(this.#answers.follow({ request, conversation, message: id }));
    }
  }
}
