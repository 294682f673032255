/** The captions of both sides: what was played and what was recognised, the newest at the end. */

const NEAR_PX = 48; // who has scrolled further up than this is reading, and is left there

export class Captions {
  #log;
  #t = null;
  #spans = new Map(); // "who/id" → the span that shows it
  #last = null;
  #following = true;

  /** ``log``: the element (role log) they go into. */
  constructor(log) {
    this.#log = log;
    log.addEventListener("scroll", () => {
      this.#following = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_PX;
    });
    new ResizeObserver(() => this.#follow()).observe(log);
  }

  /** Begin a call; ``t``: the page's translator. */
  clear(t) {
    this.#t = t;
    this.#spans.clear();
    this.#last = null;
    this.#following = true;
    this.#log.replaceChildren();
  }

  /** ``caption``: the channel's message. A second one with the same id replaces the first one's words. */
  show({ who, id, text, state }) {
    const key = `${who}/${id}`;
    const known = this.#spans.get(key);
    if (known === undefined && text === "") return; // cut before its first word: nothing was played
    const span = known ?? this.#add(who, key);
    span.textContent = text;
    if (state === "cut") this.#cut(span);
    this.#follow();
  }

  #follow() {
    if (this.#following) this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** A clause of the agent goes on where its last one ended; what the caller says begins anew. */
  #add(who, key) {
    let turn = this.#last;
    if (turn === null || who === "caller" || !turn.classList.contains(who) || turn.dataset.cut) {
      turn = this.#turn(who);
    }
    const words = turn.querySelector(".words");
    if (words.hasChildNodes()) words.append(" ");
    const span = document.createElement("span");
    words.append(span);
    this.#spans.set(key, span);
    return span;
  }

  #turn(who) {
    const turn = document.createElement("div");
    turn.className = `turn ${who}`;
    const label = document.createElement("span");
    label.className = "who";
    label.textContent = this.#t(who);
    const words = document.createElement("p");
    words.className = "words";
    turn.append(label, words);
    this.#log.append(turn);
    this.#last = turn;
    return turn;
  }

  #cut(span) {
    const turn = span.closest(".turn");
    if (turn.dataset.cut) return;
    turn.dataset.cut = "true";
    const mark = document.createElement("span");
    mark.className = "cut";
    mark.textContent = this.#t("interrupted");
    turn.append(mark);
  }
}
