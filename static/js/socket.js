import { Backoff } from "./models/backoff.js";

const OPEN_TIMEOUT_MS = 10_000;
const SLOW_DOWN_MS = 10_000;
const CLOSE = { badFrames: 4400, signedOut: 4401, forbidden: 4403, tooSlow: 4408, tooMany: 4429 };
const SLOW_DOWN = new Set([CLOSE.badFrames, CLOSE.tooSlow, CLOSE.tooMany]);

/**
 * The socket, opened again whenever it is lost. Emits each frame as an event of the frame's type
 * with the frame as `detail`, and `lost`, `signed-out`, `forbidden`.
 */
export class ChatSocket extends EventTarget {
  #url;
  #socket = null;
  #isReady = false;
  #isOver = false;
  #retry = null;
  #opening = null;
  #backoff = new Backoff();

  constructor(path) {
    super();
    this.#url = new URL(path, location.href);
    this.#url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    addEventListener("online", () => this.retryNow());
    addEventListener("pageshow", () => this.retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  /** True from the server's `hello` until the connection is lost. */
  get isReady() {
    return this.#isReady;
  }

  open() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#opening = setTimeout(() => this.#lose(socket, 0), OPEN_TIMEOUT_MS);
    socket.addEventListener("message", (event) => this.#receive(socket, event.data));
    socket.addEventListener("close", (event) => this.#lose(socket, event.code));
  }

  /** Sends a frame if it can go out now; whoever needs it later keeps it. */
  send(frame) {
    if (this.#isReady && this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(frame));
      return true;
    }
    return false;
  }

  retryNow() {
    if (this.#retry !== null) {
      this.open();
    }
  }

  /** Gives up a connection that looks open and answers nothing. */
  restart() {
    if (this.#isReady) {
      this.#lose(this.#socket, 0);
    }
  }

  /** For good: the person leaves. */
  close() {
    this.#isOver = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  #receive(socket, data) {
    if (socket !== this.#socket) {
      return;
    }
    const frame = JSON.parse(data);
    if (frame.type === "hello") {
      clearTimeout(this.#opening);
      this.#backoff.reset();
      this.#isReady = true;
    }
    this.dispatchEvent(new CustomEvent(frame.type, { detail: frame }));
  }

  #lose(socket, code) {
    if (socket !== this.#socket || this.#isOver) {
      return;
    }
    clearTimeout(this.#opening);
    this.#socket = null;
    this.#isReady = false;
    socket.close();
    if (code === CLOSE.signedOut || code === CLOSE.forbidden) {
      this.#isOver = true;
      this.dispatchEvent(new Event(code === CLOSE.signedOut ? "signed-out" : "forbidden"));
      return;
    }
    const delay = this.#backoff.next(SLOW_DOWN.has(code) ? SLOW_DOWN_MS : 0);
    this.#retry = setTimeout(() => this.open(), delay);
    this.dispatchEvent(new Event("lost"));
  }
}
