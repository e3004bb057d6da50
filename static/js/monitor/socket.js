import { Backoff } from "../models/backoff.js";

const OPEN_TIMEOUT_MS = 10_000;
// The server says something every five seconds at least.
const SILENCE_MS = 15_000;
const SIGNED_OUT = 4401;
const FORBIDDEN = 4403;

/**
 * The live page's socket, opened again whenever it is lost. Emits each frame as an event of the
 * frame's type with the frame as `detail`, and `lost`, `signed-out`, `forbidden`.
 */
export class MonitorSocket extends EventTarget {
  #url;
  #socket = null;
  #isOver = false;
  #retry = null;
  #silence = null;
  #backoff = new Backoff();

  constructor(path) {
    super();
    this.#url = new URL(path, location.href);
    this.#url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    addEventListener("online", () => this.#retryNow());
    addEventListener("pageshow", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
  }

  open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#listenFor(socket, OPEN_TIMEOUT_MS);
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", (event) => this.#lose(socket, event.code));
  }

  /** Asks the server to look at once: something was changed by hand. */
  look() {
    this.#send("look");
  }

  #receive(socket, data) {
    if (socket !== this.#socket) {
      return;
    }
    this.#listenFor(socket, SILENCE_MS);
    this.#backoff.reset();
    this.#send("ack");
    const frame = JSON.parse(data);
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame }));
  }

  #send(type) {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify({ type }));
    }
  }

  #listenFor(socket, patience) {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lose(socket, 0), patience);
  }

  #retryNow() {
    if (this.#retry !== null) {
      this.open();
    }
  }

  #lose(socket, code) {
    if (socket !== this.#socket || this.#isOver) {
      return;
    }
    clearTimeout(this.#silence);
    this.#socket = null;
    socket.close();
    if (code === SIGNED_OUT || code === FORBIDDEN) {
      this.#isOver = true;
      this.dispatchEvent(new Event(code === SIGNED_OUT ? "signed-out" : "forbidden"));
      return;
    }
    this.#retry = setTimeout(() => this.open(), this.#backoff.next());
    this.dispatchEvent(new Event("lost"));
  }
}
