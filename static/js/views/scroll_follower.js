const NEAR_THE_END_PX = 40;

/** Keeps a scroller at its end while the reader is there, and offers the way back otherwise. */
export class ScrollFollower {
  #scroller;
  #jump;
  #isFollowing = true;
  #lastTop = 0;

  constructor(scroller, content, jump) {
    this.#scroller = scroller;
    this.#jump = jump;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    jump.addEventListener("click", () => this.toEnd());
    const observer = new ResizeObserver(() => this.#follow());
    observer.observe(content);
    observer.observe(scroller);
  }

  toEnd() {
    this.#isFollowing = true;
    this.#follow();
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (scrollTop < this.#lastTop && this.#toGo() > 1) {
      this.#isFollowing = false;
    } else if (this.#toGo() < NEAR_THE_END_PX) {
      this.#isFollowing = true;
    }
    this.#lastTop = scrollTop;
    this.#showJump();
  }

  #follow() {
    if (this.#isFollowing) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      this.#lastTop = this.#scroller.scrollTop;
    }
    this.#showJump();
  }

  #showJump() {
    // The browser holds what is read in place, except where following the end does.
    this.#scroller.toggleAttribute("data-following", this.#isFollowing);
    this.#jump.hidden = this.#isFollowing || this.#toGo() < NEAR_THE_END_PX;
  }

  #toGo() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }
}
