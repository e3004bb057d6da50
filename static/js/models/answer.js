import { MessageStream } from "./message_stream.js";

/** One answer on its way; changed by Answers alone. */
export class Answer {
  stream = new MessageStream();

  // Its place in the queue, null while that is unknown or it does not wait.
  position = null;
  waiting = null;
  eta = null;

  isStopping = false; // a person pressed stop
  finish = null; // the event that ended it, while text is missing
  endSyncs = 0;
  quietSince = Date.now();
  quietSyncs = 0;
  syncedAt = 0;

  constructor({ request, conversation, message, state }) {
    Object.assign(this, { request, conversation, message, state });
  }
}
