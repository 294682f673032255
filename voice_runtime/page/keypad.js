/** The keypad: twelve buttons, and the keys of the keyboard while it is open. */

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const NAMES = { "*": "star", "#": "pound" };

/** The key's name as people say it. */
export const spoken = (key, t) => (key in NAMES ? t(NAMES[key]) : key);

export class Keypad {
  #panel;
  #toggle;
  #press;

  /** ``panel``: its element; ``toggle``: the button that opens it; ``press``: called with each key. */
  constructor(panel, toggle, press) {
    this.#panel = panel;
    this.#toggle = toggle;
    this.#press = press;
    for (const key of KEYS) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.key = key;
      button.textContent = key;
      button.addEventListener("click", () => this.#pressed(key));
      panel.querySelector(".keys").append(button);
    }
    // Single keys act only while the keypad is open, so that they can be switched off (WCAG 2.1.4).
    document.addEventListener("keydown", (event) => this.#typed(event));
    toggle.addEventListener("click", () => this.open(panel.hidden));
  }

  open(open) {
    this.#panel.hidden = !open;
    this.#toggle.setAttribute("aria-expanded", String(open));
  }

  localise(t) {
    for (const button of this.#panel.querySelectorAll("[data-key]")) {
      button.setAttribute("aria-label", t("key", { key: spoken(button.dataset.key, t) }));
    }
  }

  #typed(event) {
    if (this.#panel.hidden || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (event.target.closest("input, select, textarea")) return;
    if (event.key === "Escape") {
      this.open(false);
      this.#toggle.focus();
    } else if (KEYS.includes(event.key)) {
      event.preventDefault();
      this.#pressed(event.key);
    }
  }

  #pressed(key) {
    const button = this.#panel.querySelector(`[data-key="${CSS.escape(key)}"]`);
    button.classList.add("pressed");
    setTimeout(() => button.classList.remove("pressed"), 150);
    this.#press(key);
  }
}
