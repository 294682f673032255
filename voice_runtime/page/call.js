/** One call from "start" to its end, over as many links as the network makes necessary. */

import { Refused } from "./api.js";
import { Link } from "./link.js";
import { watch } from "./network.js";
import { Playout } from "./playout.js";

const CONNECT_MS = 15_000;
const SELF_HEAL_MS = 1500; // a short gap mends itself; a new link would cost more
const RECONNECT_MS = 20_000;
const RESTART_MS = 3000;
const ATTEMPT_MS = 6000;
const PAUSE_MS = 1000;
const LAST_WORDS_MS = 300; // so that "bye" leaves before the connection closes
const NO_SOUND_MS = 5000;
const TYPED_READY_MS = 2000; // a typed call waits so long for the sound, and starts without it

const REASONS = new Set(["ended", "person", "failed", "capacity", "timed_out"]);
const GONE = new Set(["unknown_call", "unknown_agent", "token", "origin"]); // no further offer will be taken
const AGAIN = new Set(["token", "unreachable"]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * States: new → connecting → open ⇄ reconnecting → ended.
 * Events: ``state`` (detail: {state, reason}); ``caption``, ``receipt``, ``agent`` (detail: the channel's message);
 * ``network`` (detail: "weak" | "good"); ``sound`` (detail: "playing" | "blocked" | "missing").
 * Reasons of an end: hung_up, dropped, blocked, the server's, and the kinds of Refused.
 */
export class Call extends EventTarget {
  state = "new";
  #api;
  #language;
  #microphone;
  #playout;
  #link = null;
  #pcId = "";
  #token = "";
  #iceServers = [];
  #stopWatching = () => {};
  #ready = false;
  #audibleOn = null; // the link whose sound plays
  #recovering = false;
  #wantsPerson = false;
  #healing = 0;
  #ticking = 0;

  /** ``microphone``: an open Microphone, or null for a call that is typed. ``audio``: the audio element. */
  constructor({ api, language, microphone, audio }) {
    super();
    this.#api = api;
    this.#language = language;
    this.#microphone = microphone;
    this.#playout = new Playout(audio);
    this.#playout.addEventListener("playing", () => this.#audible());
    this.#playout.addEventListener("blocked", () => this.#emit("sound", "blocked"));
    this.#playout.addEventListener("position", ({ detail }) => this.#link?.channel.playing(detail));
  }

  get isOver() {
    return this.state === "ended";
  }

  async start() {
    this.#become("connecting");
    try {
      await this.#first();
      this.#become("open");
    } catch (error) {
      this.#end(error instanceof Refused ? error.kind : "blocked");
    }
  }

  key(key) {
    return this.#link?.channel.key(key) ?? false;
  }

  /** Ask for a person, now or as soon as there is a line. */
  person() {
    if (this.isOver) return;
    this.#wantsPerson = !this.#link?.channel.person();
  }

  /** Ask to be shown the call's receipt; false when there is no line. */
  receipt() {
    return this.#link?.channel.receipt() ?? false;
  }

  /** Typed words. Whoever types before any sound came wants to go on without it. */
  say(words) {
    if (!this.#ready && this.#link?.channel.isOpen) this.#sayReady();
    return this.#link?.channel.say(words) ?? false;
  }

  /** The microphone has another track: send that one, on this link. */
  async useTrack(track) {
    await this.#link?.setTrack(track);
  }

  setSpeaker(deviceId) {
    return this.#playout.setSpeaker(deviceId);
  }

  unblockSound() {
    return this.#playout.unblock();
  }

  hangUp() {
    if (this.isOver) return;
    this.#link?.channel.bye();
    this.#end("hung_up");
  }

  /** A token, an offer, and one more try when the token was too old or a request got lost. */
  async #first() {
    for (const last of [false, true]) {
      try {
        const granted = await this.#api.token();
        this.#token = granted.token;
        this.#iceServers = granted.ice_servers ?? [];
        return await this.#connect({ language: this.#language }, CONNECT_MS);
      } catch (error) {
        const again = error instanceof Refused && AGAIN.has(error.kind);
        if (last || !again || this.isOver) throw error;
        await sleep(PAUSE_MS);
      }
    }
    return undefined;
  }

  /** Open a link in place of the one before; throws Refused, or Error when it does not connect. */
  async #connect(more, limit_ms) {
    if (this.isOver) return;
    this.#stopWatching();
    this.#wantsPerson ||= this.#link?.channel.isPersonPending ?? false;
    this.#link?.close();
    const link = new Link(this.#iceServers, this.#microphone?.track ?? null);
    this.#link = link;
    this.#ready = false;
    link.addEventListener("track", ({ detail }) => this.#playout.attach(detail.receiver));
    link.channel.addEventListener("message", ({ detail }) => this.#received(detail));
    link.channel.addEventListener("open", () => {
      this.#expectSound(link);
      if (this.#wantsPerson) this.person();
    });
    const up = link.connected(limit_ms);
    up.catch(() => {}); // who waits for it below may have left by another door
    await this.#negotiate(link, more, limit_ms);
    await up;
    link.addEventListener("shaky", () => this.#shaken(link));
    link.addEventListener("up", () => this.#healed(link));
    link.addEventListener("down", () => this.#recover(link));
    this.#stopWatching = watch(
      () => link.stats(),
      (verdict) => this.#emit("network", verdict),
    );
  }

  async #negotiate(link, more, limit_ms, options = {}) {
    const exchange = async (offer) => {
      const answer = await this.#api.offer({ token: this.#token, ...offer, ...more }, limit_ms);
      this.#pcId = answer.pc_id;
      return answer;
    };
    const send = (answer, candidates) => this.#api.candidates(answer.pc_id, candidates);
    await link.negotiate(exchange, send, options);
  }

  // --- a line that drops ------------------------------------------------------------------------------

  #shaken(link) {
    if (link !== this.#link || this.state !== "open") return;
    this.#become("reconnecting");
    this.#healing = setTimeout(() => this.#recover(link), SELF_HEAL_MS);
  }

  #healed(link) {
    if (link !== this.#link || this.state !== "reconnecting") return;
    clearTimeout(this.#healing);
    this.#become("open");
  }

  /**
   * The link does not come back by itself. 1. Look for new paths for it (ICE restart); nothing said is lost.
   * 2. Put a new link in its place, as often as it takes. 3. Give up: the server knows the call no more, or
   * the time is over.
   */
  async #recover(link) {
    clearTimeout(this.#healing);
    if (link !== this.#link || this.isOver || this.#recovering) return;
    this.#recovering = true;
    this.#become("reconnecting");
    const until = performance.now() + RECONNECT_MS;
    for (let attempt = 0; this.state === "reconnecting" && performance.now() < until; attempt += 1) {
      try {
        if (attempt === 0 && link.canRestart) await this.#restart(link);
        else await this.#connect({ pc_id: this.#pcId, restart_pc: true, language: this.#language }, ATTEMPT_MS);
        this.#recovering = false;
        this.#become("open");
        return;
      } catch (error) {
        if (error instanceof Refused && GONE.has(error.kind)) break;
        if (attempt > 0) await sleep(PAUSE_MS);
      }
    }
    this.#recovering = false;
    if (this.state === "reconnecting") this.#end("dropped");
  }

  async #restart(link) {
    await this.#negotiate(link, { pc_id: this.#pcId }, RESTART_MS, { iceRestart: true });
    await link.connected(RESTART_MS);
  }

  // --- sound ------------------------------------------------------------------------------------------

  /** The channel is open: sound should come. A typed call goes on without. */
  #expectSound(link) {
    clearTimeout(this.#ticking);
    const typed = this.#microphone === null;
    this.#ticking = setTimeout(
      () => {
        if (this.#ready || link !== this.#link || this.isOver) return;
        if (typed) this.#sayReady();
        else this.#emit("sound", "missing");
      },
      typed ? TYPED_READY_MS : NO_SOUND_MS,
    );
    if (this.#audibleOn === link) this.#sayReady();
  }

  #audible() {
    this.#audibleOn = this.#link;
    this.#emit("sound", "playing");
    if (!this.#ready) this.#sayReady(); // or when the channel opens
  }

  #sayReady() {
    const echo = this.#microphone?.echoCancellation ?? "unknown";
    this.#ready = this.#link.channel.ready(echo, this.#microphone !== null);
  }

  // --- what the server says ---------------------------------------------------------------------------

  #received(message) {
    if (message.type === "closed") this.#end(REASONS.has(message.reason) ? message.reason : "ended");
    else if (message.type === "caption" || message.type === "receipt") this.#emit(message.type, message);
    else if (message.type === "state") {
      this.#playout.reportUntil(message.until ?? null);
      this.#emit("agent", message);
    }
  }

  #end(reason) {
    if (this.isOver) return;
    const link = this.#link;
    this.#link = null;
    clearTimeout(this.#healing);
    clearTimeout(this.#ticking);
    this.#stopWatching();
    this.#playout.stop();
    setTimeout(() => link?.close(), LAST_WORDS_MS);
    this.#become("ended", reason);
  }

  #become(state, reason = "") {
    if (this.state === state || this.isOver) return;
    this.state = state;
    this.#emit("state", { state, reason });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
