/** What a caller sees before a call: who answers, privacy, what the demo understands, language and microphone. */

import { devices } from "./microphone.js";
import { element, fillChoices, fillList } from "./page.js";
import { languageName, preferred } from "./strings.js";

const FEW = 4; // sentences in view; the rest unfold
const SYSTEMS = new Set(["demo", "development", "staging"]); // production needs no badge

export class Before {
  #about;
  #language = element("language");
  #microphone = element("first-microphone");

  /** ``about``: see voice_runtime/caller_page.py; ``changed``: called with a language that was chosen. */
  constructor(about, changed) {
    this.#about = about;
    const tags = about.languages;
    fillChoices(this.#language, tags.map((tag) => [tag, languageName(tag)]), preferred(tags));
    element("language-field").hidden = tags.length < 2;
    this.#language.addEventListener("change", () => changed(this.language));
  }

  get language() {
    return this.#language.value || this.#about.language;
  }

  get microphoneId() {
    return this.#microphone.value;
  }

  /** Show everything in the chosen language. */
  render(t) {
    const about = this.#about;
    const say = (id, texts) => {
      const tag = Object.hasOwn(texts, this.language) ? this.language : about.language;
      element(id).textContent = texts[tag] ?? "";
      element(id).lang = tag;
    };
    element("title").textContent = about.title;
    document.title = about.title;
    say("disclosure", about.disclosure);
    say("privacy", about.privacy);
    element("privacy-fact").hidden = element("privacy").textContent === "";
    element("environment").hidden = !SYSTEMS.has(about.environment);
    if (SYSTEMS.has(about.environment)) element("environment").textContent = t(about.environment);
    this.#demo(about.offline_phrases ?? [], t);
  }

  /** Microphones by name, once the browser tells them (after permission was given before). */
  async offerMicrophones() {
    const known = await devices("audioinput");
    fillChoices(this.#microphone, known.map((d) => [d.deviceId, d.label]), known[0]?.deviceId);
    element("first-microphone-field").hidden = known.length < 2;
  }

  #demo(phrases, t) {
    const unreal = this.#about.not_a_language_model;
    element("demo").hidden = phrases.length === 0 && !unreal;
    element("demo-heading").textContent = t(phrases.length > 0 ? "demo_heading" : "model_heading");
    element("demo-words").hidden = phrases.length === 0;
    element("not-a-model").hidden = !unreal;
    fillList(element("demo-first"), phrases.slice(0, FEW));
    fillList(element("demo-rest"), phrases.slice(FEW));
    element("demo-more").hidden = phrases.length <= FEW;
    element("demo-all").textContent = t("demo_all", { count: phrases.length });
    for (const id of ["demo-first", "demo-rest"]) element(id).lang = this.#about.language;
  }
}
