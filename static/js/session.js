import { newId } from "./helpers/ids.js";
import { countCodePoints, titleOf } from "./helpers/text.js";
import { Acks } from "./models/acks.js";
import { ConversationReader } from "./models/conversation_reader.js";

const ACCEPT_TIMEOUT_MS = 10_000;

/**
 * What the socket says becomes what the models know, and what a person does becomes frames.
 *
 * Emits `ready` (a connection was greeted) · `accepted` (`frame`, `item`) · `rejected` (`frame`,
 * `item`) · `thread` (`conversation`: its messages changed) · `trouble` (`detail`) · and passes
 * on `state`, `text`, `ended` of the answers. Knows no DOM.
 */
export class ChatSession extends EventTarget {
  #socket;
  #models;
  #acks;
  #reader;
  #unanswered = null;
  #sentAgain = new Set(); // client ids: what they asked for may have happened long ago

  constructor(socket, models) {
    super();
    this.#socket = socket;
    this.#models = models;
    this.#acks = new Acks((request, offset) => socket.send({ type: "ack", request, offset }));
    this.#reader = new ConversationReader(models, (conversation) =>
      this.#tell("thread", { conversation }),
    );
    this.#listenToSocket();
    this.#listenToAnswers();
  }

  get isConnected() {
    return this.#socket.isReady;
  }

  // Actions

  send(text, conversation) {
    this.#post({ type: "message.send", client_id: newId(), conversation, text }, conversation);
  }

  regenerate(message, conversation) {
    this.#post({ type: "message.regenerate", client_id: newId(), message }, conversation);
  }

  stop(answer) {
    this.#models.answers.stopping(answer);
    this.#socket.send({ type: "request.abort", request: answer.request });
  }

  /** Reads a conversation; rejects with an HttpError. */
  read(conversation) {
    return this.#reader.read(conversation);
  }

  /** Reads a conversation of which something was missed; if that fails, later. */
  repair(conversation) {
    return this.#reader.repair(conversation);
  }

  // Socket

  #listenToSocket() {
    const { answers } = this.#models;
    const handlers = {
      hello: (frame) => this.#hello(frame),
      "message.accepted": (frame) => this.#accepted(frame),
      "request.rejected": (frame) => this.#rejected(frame),
      "request.waiting": (frame) => answers.waiting(frame),
      "request.running": (frame) => answers.running(frame),
      "message.delta": (frame) => {
        this.#acks.received(frame.request, frame.offset + countCodePoints(frame.text));
        this.#readIfMissed(frame);
        answers.delta(frame);
      },
      "message.finished": (frame) => {
        this.#readIfMissed(frame);
        answers.finished(frame);
      },
      error: (frame) => this.#tell("trouble", frame),
    };
    for (const [type, handle] of Object.entries(handlers)) {
      this.#socket.addEventListener(type, ({ detail }) => handle(detail));
    }
    this.#socket.addEventListener("lost", () => {
      this.#acks.clear();
      this.#models.threads.forgetFreshness();
    });
  }

  #hello({ active }) {
    const { answers, outbox } = this.#models;
    answers.resume(active);
    for (const answer of answers.all().filter(({ isStopping }) => isStopping)) {
      this.#socket.send({ type: "request.abort", request: answer.request });
    }
    for (const { frame } of outbox.all()) {
      this.#sentAgain.add(frame.client_id);
      this.#socket.send(frame);
    }
    this.#expectAnswer();
    this.#tell("ready");
  }

  #accepted(frame) {
    const { answers, conversations, outbox, threads } = this.#models;
    const item = outbox.remove(frame.client_id);
    const title = titleOf(frame.text);
    const isNews = !this.#sentAgain.delete(frame.client_id);
    if (isNews && item?.frame.conversation === null) {
      threads.begin(frame.conversation, title);
    }
    const { conversation, user_message: question, message, request } = frame;
    const thread = threads.get(conversation);
    thread?.add({ id: question, parent: frame.parent, role: "user", text: frame.text });
    if (thread && !thread.has(message)) {
      thread.add({ id: message, parent: question, role: "assistant", text: "", request });
    }
    answers.follow({ request, conversation, message });
    conversations.touch(conversation, title);
    this.#expectAnswer();
    this.#tell("accepted", { frame, item });
    this.#tell("thread", { conversation });
    if (!isNews) {
      this.repair(conversation);
    }
  }

  #rejected(frame) {
    const item = this.#models.outbox.remove(frame.client_id);
    this.#expectAnswer();
    if (item) {
      this.#tell("rejected", { frame, item });
    }
  }

  /** An event about a message that an open conversation lacks: its beginning was missed. */
  #readIfMissed({ conversation, message }) {
    const thread = this.#models.threads.get(conversation);
    if (thread && !thread.has(message)) {
      this.repair(conversation);
    }
  }

  // Answers

  #listenToAnswers() {
    const { answers } = this.#models;
    const listen = (type, handle) =>
      answers.addEventListener(type, ({ detail }) => handle(detail));
    for (const type of ["state", "text"]) {
      listen(type, (detail) => this.#tell(type, detail));
    }
    listen("sync", ({ answer: { request, stream } }) =>
      this.#socket.send({ type: "request.sync", request, offset: stream.length }),
    );
    listen("ended", ({ answer }) => this.#ended(answer));
    listen("lost", ({ answer }) => this.repair(answer.conversation));
  }

  #ended(answer) {
    const { finish_reason, code, detail, truncated, usage, timings } = answer.finish;
    const end = { finish_reason, code, detail, truncated, usage, timings };
    const thread = this.#models.threads.get(answer.conversation);
    if (thread?.has(answer.message)) {
      thread.add({ id: answer.message, state: "complete", text: answer.stream.text, ...end });
    }
    this.#tell("ended", { answer });
  }

  // Internal

  #post(frame, conversation) {
    this.#models.outbox.add(frame, conversation);
    this.#socket.send(frame);
    this.#expectAnswer();
  }

  /** A connection that takes a message and says nothing is dead, whatever the browser thinks. */
  #expectAnswer() {
    clearTimeout(this.#unanswered);
    if (this.#models.outbox.all().length > 0) {
      this.#unanswered = setTimeout(() => this.#socket.restart(), ACCEPT_TIMEOUT_MS);
    }
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
