import { part } from "../helpers/dom.js";
import { etaWords, placeWords } from "../helpers/words.js";
import { AnswerView } from "../views/answer_view.js";
import { MessageList } from "../views/message_list.js";
import { QuestionView } from "../views/question_view.js";
import { ScrollFollower } from "../views/scroll_follower.js";

/** Draws the conversation that is shown: its messages, and what happens to its answer. */
export class ConversationController {
  #session;
  #models;
  #announcer;
  #stage;
  #list;
  #scroll;
  #shown = null; // conversation id; null is a new chat

  constructor(stage, session, models, announcer) {
    this.#stage = stage;
    this.#session = session;
    this.#models = models;
    this.#announcer = announcer;
    const content = part(stage, "messages");
    this.#list = new MessageList(content);
    this.#scroll = new ScrollFollower(part(stage, "scroller"), content, part(stage, "jump"));
    this.#listen();
  }

  // Actions

  show(conversation) {
    this.#shown = conversation;
    this.#list.show([]);
    this.render();
    this.#scroll.toEnd();
  }

  /** The new chat that is shown has an id now; what is drawn stays. */
  become(conversation) {
    this.#shown = conversation;
    this.render();
  }

  followEnd() {
    this.#scroll.toEnd();
  }

  render() {
    const { outbox, threads } = this.#models;
    const thread = threads.get(this.#shown);
    const path = thread?.path() ?? [];
    const unsent = outbox.inConversation(this.#shown).filter(({ frame }) => frame.text);
    this.#list.show([
      ...path.map((message) => [message.id, () => this.#makeView(message)]),
      ...unsent.map(({ frame }) => [frame.client_id, () => new QuestionView(frame.text)]),
    ]);
    for (const { frame } of unsent) {
      this.#list.get(frame.client_id).showSending(this.#sendingWords());
    }
    const isLoading = this.#shown !== null && !thread;
    part(this.#stage, "loading").hidden = !isLoading;
    part(this.#stage, "empty").hidden = isLoading || path.length + unsent.length > 0;
  }

  // Callbacks

  #listen() {
    const session = this.#session;
    const listen = (type, handle) =>
      session.addEventListener(type, ({ detail }) => handle(detail));
    listen("accepted", ({ frame }) => this.#accepted(frame));
    listen("thread", ({ conversation }) => this.#threadChanged(conversation));
    listen("state", ({ answer }) => this.#stateChanged(answer));
    listen("text", ({ answer, ...change }) => this.#viewOf(answer)?.showText(answer, change));
    listen("ended", ({ answer }) => this.#ended(answer));
    this.#models.outbox.addEventListener("change", () => this.render());
  }

  #accepted(frame) {
    this.#list.get(frame.client_id)?.showSending("");
    this.#list.rename(frame.client_id, frame.user_message);
  }

  #threadChanged(conversation) {
    if (conversation !== this.#shown) {
      return;
    }
    this.render();
    for (const message of this.#models.threads.get(conversation)?.path() ?? []) {
      const view = this.#list.get(message.id);
      // An end that was missed: nothing but the stored message tells of it.
      if (view instanceof AnswerView && message.state === "complete" && view.isOpen) {
        view.showFinished(message, this.#actionsOn(message));
      }
    }
  }

  #stateChanged(answer) {
    const view = this.#viewOf(answer);
    if (!view) {
      return;
    }
    view.showState(answer);
    if (answer.state === "waiting" && answer.position !== null) {
      const words = [placeWords(answer.position, answer.waiting), etaWords(answer.eta)];
      this.#announcer.say(words.filter(Boolean).join(", "));
    }
  }

  #ended(answer) {
    const message = this.#messageOf(answer);
    if (message) {
      this.#viewOf(answer)?.showFinished(message, this.#actionsOn(message));
      this.#announcer.say(endWords(message));
    }
  }

  // Internal

  #viewOf({ conversation, message }) {
    return conversation === this.#shown ? this.#list.get(message) : undefined;
  }

  #messageOf({ conversation, message }) {
    const thread = conversation === this.#shown ? this.#models.threads.get(conversation) : null;
    return thread?.path().find(({ id }) => id === message);
  }

  #makeView(message) {
    if (message.role === "user") {
      return new QuestionView(message.text);
    }
    const view = new AnswerView(message.request);
    const answer = this.#models.answers.get(message.request);
    if (answer) {
      view.follow(answer);
    } else if (message.state !== "complete") {
      view.showState({ state: "waiting", position: null });
    } else {
      view.showFinished(message, this.#actionsOn(message));
    }
    return view;
  }

  #actionsOn(message) {
    const conversation = this.#shown;
    return {
      regenerate: () => this.#regenerate(message, conversation),
      announce: (words) => this.#announcer.say(words),
      feedback: this.#models.feedback,
    };
  }

  #regenerate(message, conversation) {
    const { answers, outbox } = this.#models;
    if (!answers.inConversation(conversation) && !outbox.inConversation(conversation).length) {
      this.#session.regenerate(message.id, conversation);
      this.#scroll.toEnd();
    }
  }

  #sendingWords() {
    return this.#session.isConnected
      ? gettext("Sending…")
      : gettext("Will be sent when the connection is back");
  }
}

function endWords({ finish_reason: reason }) {
  if (reason === "failed") {
    return gettext("The answer failed.");
  }
  return reason === "aborted" ? gettext("Answer stopped.") : gettext("Answer finished.");
}
