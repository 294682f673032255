/** Small things every view needs: elements by id, lists and choices built from data, never from markup. */

/** The element with that id; throws when the page has none. */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found;
}

/** An icon of the page's own sheet. */
export function setIcon(use, name) {
  use.setAttribute("href", `#i-${name}`);
}

/** Fill a select with ``[value, text]`` pairs and choose ``chosen``. */
export function fillChoices(select, pairs, chosen) {
  select.replaceChildren(
    ...pairs.map(([value, text]) => new Option(text, value, value === chosen, value === chosen)),
  );
}

/** Fill a list with texts; with ``pick``, each is a button that calls it with its text. */
export function fillList(list, texts, pick = null) {
  list.replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      if (pick === null) {
        item.textContent = text;
        return item;
      }
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => pick(text));
      item.append(button);
      return item;
    }),
  );
}

/** Notices under a key each: shown once, replaced by the same key, gone when they no longer hold. */
export class Notices {
  #root;
  #shown = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** ``kind``: "info", "warning" or "error"; ``action``: ``{text, run}`` for a button in it. */
  show(key, kind, text, action = null) {
    this.clear(key);
    const notice = document.createElement("div");
    notice.className = `notice ${kind}`;
    notice.dataset.notice = key;
    const words = document.createElement("p");
    words.textContent = text;
    notice.append(words);
    if (action !== null) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "secondary";
      button.textContent = action.text;
      button.addEventListener("click", action.run);
      notice.append(button);
    }
    this.#root.append(notice);
    this.#shown.set(key, notice);
  }

  /** Show for ``ms``, then take away. */
  pass(key, kind, text, ms) {
    this.show(key, kind, text);
    const notice = this.#shown.get(key);
    setTimeout(() => {
      if (this.#shown.get(key) === notice) this.clear(key);
    }, ms);
  }

  has(key) {
    return this.#shown.has(key);
  }

  clear(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }

  clearAll() {
    for (const key of [...this.#shown.keys()]) this.clear(key);
  }
}
