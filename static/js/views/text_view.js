const OPENING = /^ {0,3}(`{3,})([^`\n]*)(\n?)$/;
const CLOSING = /^ {0,3}`{3,}[ \t]*\n?$/;
const MAY_BECOME_OPENING = /^ {0,3}(`{0,2}|`{3,}[^`\n]*)$/;
const MAY_BECOME_CLOSING = /^ {0,3}(`{0,2}|`{3,}[ \t]*)$/;

/**
 * Shows a text that grows: plain, with fenced code in a block of its own. Every character of the
 * text stays in the document, as text nodes; the fences are only hidden by the style sheet.
 */
export class TextView {
  #root;
  #block;
  #run;
  #isCode;
  #isPlainLine; // the line is known not to be a fence
  #held; // the beginning of a line that may become one

  constructor(root) {
    this.#root = root;
    this.set("");
  }

  set(text) {
    this.#root.replaceChildren();
    this.#leaveCode();
    this.#isPlainLine = false;
    this.#held = "";
    this.append(text);
  }

  append(text) {
    for (const piece of text.split(/(?<=\n)/u)) {
      this.#appendPiece(piece);
    }
  }

  /** No more text comes: what was held back is shown. */
  finish() {
    this.#release();
  }

  #appendPiece(piece) {
    if (this.#isPlainLine) {
      this.#write(piece);
    } else {
      this.#held += piece;
      const pattern = this.#isCode ? MAY_BECOME_CLOSING : MAY_BECOME_OPENING;
      if (!pattern.test(this.#held)) {
        this.#release();
      }
    }
    if (piece.endsWith("\n")) {
      this.#isPlainLine = false;
    }
  }

  #release() {
    const line = this.#held;
    this.#held = "";
    const opening = this.#isCode ? null : line.match(OPENING);
    if (opening) {
      this.#enterCode(line, opening);
    } else if (this.#isCode && CLOSING.test(line)) {
      this.#block.append(span("fence", line));
      this.#leaveCode();
    } else {
      this.#write(line);
      this.#isPlainLine = true;
    }
  }

  #enterCode(line, [, marks, name, newline]) {
    const indent = line.slice(0, line.indexOf("`"));
    this.#block = document.createElement("code");
    this.#block.className = "code-block";
    this.#block.dir = "ltr";
    this.#block.append(span("fence", indent + marks), span("fence-name", name));
    this.#block.append(span("fence", newline));
    this.#root.append(this.#block);
    this.#run = null;
    this.#isCode = true;
  }

  #leaveCode() {
    this.#block = this.#root;
    this.#run = null;
    this.#isCode = false;
  }

  #write(text) {
    if (!text) {
      return;
    }
    if (!this.#run) {
      this.#run = document.createTextNode("");
      this.#block.append(this.#run);
    }
    this.#run.appendData(text);
  }
}

function span(className, text) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
