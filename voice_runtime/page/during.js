/** The view of a call: its state, notices, captions, controls, and how it ended. */

import { Captions } from "./captions.js";
import { Keypad, spoken } from "./keypad.js";
import { devices } from "./microphone.js";
import { Notices, element, fillChoices, fillList, setIcon } from "./page.js";

const LEVEL_MS = 50;
const QUIETEST_DB = -60;
const LOUDEST_DB = -10;
const SILENT_LOOKS = 6000 / LEVEL_MS; // digital silence for so long means a dead microphone
const PASSING_MS = 4000;

/** Headings of ends that are not just "the call has ended". */
const HEADINGS = { hung_up: "ended_heading", ended: "ended_heading", person: "ended_heading" };
const WORDS = { person: "ended_person" };
/** Ends after a conversation, where one calls again; after the others one tries again. */
const TALKED = new Set(["hung_up", "ended", "person", "failed", "timed_out", "dropped"]);

export class During {
  #t = null;
  #call = null;
  #microphone = null;
  #notices = new Notices(element("notices"));
  #captions = new Captions(element("captions"));
  #keypad;
  #ticking = 0;
  #metering = 0;
  #since = 0;
  #silentLooks = 0;

  /** ``again``: called when the caller wants another call. */
  constructor(again) {
    this.#keypad = new Keypad(element("keypad-panel"), element("keypad"), (key) => this.#key(key));
    const on = (id, event, run) => element(id).addEventListener(event, run);
    on("hang-up", "click", () => this.#call?.hangUp());
    on("person", "click", () => this.#person());
    on("receipt", "click", () => this.#askReceipt());
    on("receipt-copy", "click", () => this.#copyReceipt());
    on("mute", "click", () => this.#mute(!this.#microphone.muted));
    on("devices", "click", () => this.#openDevices(element("devices-panel").hidden));
    on("microphone", "change", (event) => this.#changeMicrophone(event.target.value));
    on("speaker", "change", (event) => this.#call?.setSpeaker(event.target.value).catch(() => {}));
    on("again", "click", again);
    on("type", "submit", (event) => {
      event.preventDefault();
      if (this.#call?.say(element("words").value)) element("words").value = "";
    });
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.#offerDevices());
  }

  /** Show a call that is about to start. ``microphone``: null when it is typed. */
  show(call, microphone, about, language, t) {
    this.#t = t;
    this.#call = call;
    this.#microphone = microphone;
    this.#captions.clear(t);
    this.#notices.clearAll();
    this.#keypad.localise(t);
    this.#keypad.open(false);
    this.#openDevices(false);
    this.#silentLooks = 0;
    element("captions").lang = language;
    element("captions").hidden = true;
    element("captions-empty").hidden = false;
    element("agent-state").textContent = "";
    element("duration").textContent = "0:00";
    element("pulse").dataset.agent = "";
    element("receipt-card").hidden = true;
    element("receipt-code").textContent = "";
    element("words").value = "";
    element("words").placeholder = t("type_here");
    element("words").lang = language;
    element("type").hidden = about.typed === false;
    for (const id of ["mute", "metering", "devices"]) element(id).hidden = microphone === null;
    fillList(element("said-list"), about.offline_phrases ?? [], (text) => this.#fill(text));
    element("said").hidden = !about.offline_phrases?.length;
    element("said").open = false;
    this.#say("");
    if (microphone) this.#mute(false, false);
    this.#follow(call);
    this.#offerDevices();
    if (microphone === null) this.#notices.show("typed", "info", t("no_microphone"));
    microphone?.addEventListener("gone", () => {
      if (call === this.#call && !call.isOver) this.#notices.show("gone", "warning", t("microphone_gone"));
    });
  }

  #follow(call) {
    const on = (name, run) =>
      call.addEventListener(name, ({ detail }) => {
        if (call === this.#call) run(detail);
      });
    on("state", ({ state, reason }) => this.#state(state, reason));
    on("caption", (caption) => {
      element("captions").hidden = false;
      element("captions-empty").hidden = true;
      this.#captions.show(caption);
    });
    on("receipt", ({ code }) => this.#receipt(code));
    on("agent", ({ agent }) => {
      element("agent-state").textContent = this.#t(`agent_${agent}`);
      element("pulse").dataset.agent = agent;
    });
    on("network", (verdict) => {
      if (verdict === "weak") this.#notices.show("network", "warning", this.#t("weak"));
      else this.#notices.pass("network", "info", this.#t("good_again"), PASSING_MS);
    });
    on("sound", (sound) => this.#sound(sound));
  }

  #state(state, reason) {
    element("page").dataset.call = state;
    element("pulse").dataset.state = state;
    if (state === "ended") return this.#ended(reason);
    element("call-state").textContent = this.#t(state === "open" ? "connected" : state);
    element("words").disabled = element("send").disabled = state !== "open";
    element("receipt").disabled = state !== "open";
    element("keypad").disabled = state !== "open"; // asking for a person always works
    if (state === "connecting") element("call-state").focus();
    if (state === "open") this.#opened();
    if (state === "reconnecting") this.#notices.show("line", "warning", this.#t("line_lost"));
    return undefined;
  }

  #opened() {
    this.#notices.clear("network"); // a new link is judged anew
    if (this.#notices.has("line")) this.#notices.pass("line", "info", this.#t("back"), PASSING_MS);
    else this.#say(this.#t("connected"));
    if (this.#ticking === 0) {
      this.#since = performance.now();
      this.#ticking = setInterval(() => this.#tick(), 1000);
      if (this.#microphone) this.#metering = setInterval(() => this.#meter(), LEVEL_MS);
      else element("words").focus();
    }
  }

  #ended(reason) {
    clearInterval(this.#ticking);
    clearInterval(this.#metering);
    this.#ticking = this.#metering = 0;
    this.#notices.clearAll();
    this.#keypad.open(false);
    element("captions-empty").hidden = true;
    element("end-heading").textContent = this.#t(HEADINGS[reason] ?? `${reason}_heading`);
    element("end-words").textContent = this.#t(WORDS[reason] ?? reason);
    element("again-text").textContent = this.#t(TALKED.has(reason) ? "again" : "try_again");
    element("after").dataset.reason = reason;
  }

  #sound(sound) {
    if (sound === "playing") {
      this.#notices.clear("sound");
    } else if (sound === "missing") {
      this.#notices.show("sound", "warning", this.#t("no_sound"));
    } else {
      const action = { text: this.#t("sound_on"), run: () => this.#call.unblockSound() };
      this.#notices.show("sound", "warning", this.#t("sound_blocked"), action);
    }
  }

  // --- what the caller does ---------------------------------------------------------------------------

  #key(key) {
    if (this.#call?.key(key)) this.#say(this.#t("key_sent", { key: spoken(key, this.#t) }));
  }

  #person() {
    this.#call.person();
    this.#notices.show("person", "info", this.#t("person_asked"));
  }

  #askReceipt() {
    if (this.#call?.receipt()) this.#notices.pass("receipt", "info", this.#t("receipt_asked"), PASSING_MS);
  }

  /** Shown until the next call: who has hung up can still write it down. */
  #receipt(code) {
    this.#notices.clear("receipt");
    element("receipt-code").textContent = code;
    element("receipt-card").hidden = false;
    this.#say(this.#t("receipt_is", { code: [...code.replaceAll("-", "")].join(" ") }));
  }

  async #copyReceipt() {
    const code = element("receipt-code");
    try {
      await navigator.clipboard.writeText(code.textContent); // not there on a page without https
      this.#say(this.#t("copied"));
    } catch {
      getSelection().selectAllChildren(code);
      this.#say(this.#t("copy_yourself"));
    }
  }

  #mute(muted, aloud = true) {
    this.#microphone.muted = muted;
    this.#silentLooks = 0;
    for (const id of ["mute-icon", "meter-icon"]) setIcon(element(id), muted ? "mic-off" : "mic");
    element("mute-text").textContent = this.#t(muted ? "unmute" : "mute");
    element("mute").dataset.on = String(muted);
    if (muted) this.#notices.show("muted", "info", this.#t("muted"));
    else this.#notices.clear("muted");
    if (aloud && !muted) this.#say(this.#t("unmuted"));
  }

  #fill(text) {
    element("words").value = text;
    element("words").focus();
  }

  async #changeMicrophone(deviceId) {
    try {
      await this.#microphone.open(deviceId);
      await this.#call?.useTrack(this.#microphone.track);
      this.#silentLooks = 0;
      this.#notices.clear("gone");
      this.#notices.clear("quiet");
      this.#say(this.#t("microphone_changed"));
    } catch {
      this.#notices.show("gone", "warning", this.#t("microphone_failed"));
    }
    this.#offerDevices();
  }

  #openDevices(open) {
    element("devices-panel").hidden = !open;
    element("devices").setAttribute("aria-expanded", String(open));
  }

  async #offerDevices() {
    if (this.#call === null || this.#call.isOver) return;
    const inputs = await devices("audioinput");
    const outputs = "setSinkId" in HTMLMediaElement.prototype ? await devices("audiooutput") : [];
    const pairs = (list) => list.map((d) => [d.deviceId, d.label]);
    fillChoices(element("microphone"), pairs(inputs), this.#microphone?.deviceId);
    fillChoices(element("speaker"), pairs(outputs), element("voice").sinkId || "default");
    element("speaker-field").hidden = outputs.length < 2;
  }

  // --- what goes on by itself -------------------------------------------------------------------------

  #tick() {
    const seconds = Math.floor((performance.now() - this.#since) / 1000);
    element("duration").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  #meter() {
    const level = this.#microphone.level();
    const share = ((level ?? -Infinity) - QUIETEST_DB) / (LOUDEST_DB - QUIETEST_DB);
    const percent = Math.round(Math.min(1, Math.max(0, share)) * 100);
    element("level").style.transform = `scaleX(${percent / 100})`;
    element("meter").setAttribute("aria-valuenow", String(percent));
    this.#silentLooks = level === -Infinity ? this.#silentLooks + 1 : 0;
    if (this.#silentLooks === SILENT_LOOKS) this.#notices.show("quiet", "warning", this.#t("microphone_quiet"));
    if (this.#silentLooks === 0) this.#notices.clear("quiet");
  }

  /** Tell a screen reader something that is seen anyway. */
  #say(text) {
    element("status").textContent = text;
  }
}
