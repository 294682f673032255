/** One peer connection to the server with its data channel; a call has another after the line dropped. */

import { Channel } from "./channel.js";

const LABEL = "sayso";
const GATHER_MS = 20; // candidates come in bursts: one PATCH for each burst

/**
 * Events: ``track`` (detail: RTCTrackEvent); ``up`` (media and data flow); ``shaky`` (no answers, may heal by
 * itself); ``down`` (it will not). The channel's own events are on ``channel``.
 */
export class Link extends EventTarget {
  #pc;
  #closed = false;
  #candidates = [];
  #sendCandidates = null;
  #timer = 0;
  #sender = null;

  /** ``track``: the microphone's, or null for a call that only receives audio. */
  constructor(iceServers, track) {
    super();
    this.#pc = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    if (track) this.#sender = this.#pc.addTrack(track, new MediaStream([track]));
    else this.#pc.addTransceiver("audio", { direction: "recvonly" });
    this.channel = new Channel(this.#pc.createDataChannel(LABEL, { ordered: true }));
    this.channel.addEventListener("open", () => this.#changed());
    this.channel.addEventListener("silent", () => this.#emit("shaky"));
    this.channel.addEventListener("alive", () => this.#changed());
    this.channel.addEventListener("close", () => this.#emit("down"));
    this.#pc.addEventListener("track", (event) => this.#emit("track", event));
    this.#pc.addEventListener("connectionstatechange", () => this.#changed());
    this.#pc.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate?.candidate) this.#found(candidate);
    });
  }

  /**
   * Offer and answer; with ``iceRestart``, new network paths for a link that stands (RFC 8839, 4.4.1.1.1).
   * ``exchange``: takes the offer, resolves to the server's answer or throws. ``send``: takes the candidates
   * found, a list at a time, once the server knows the offer. One that is lost costs a path, not the call.
   */
  async negotiate(exchange, send, { iceRestart = false } = {}) {
    this.#sendCandidates = null;
    const offer = await this.#pc.createOffer({ iceRestart });
    await this.#pc.setLocalDescription(offer);
    const answer = await exchange({ sdp: this.#pc.localDescription.sdp, type: "offer" });
    if (this.#closed) return;
    await this.#pc.setRemoteDescription({ sdp: answer.sdp, type: answer.type });
    this.#sendCandidates = (candidates) => send(answer, candidates);
    this.#flush();
  }

  /** Resolves when media and data flow; rejects when they do not within ``limit_ms`` or the link goes down. */
  connected(limit_ms) {
    return new Promise((resolve, reject) => {
      if (this.isUp) return resolve();
      const timer = setTimeout(() => reject(new Error("not connected in time")), limit_ms);
      this.addEventListener("up", () => (clearTimeout(timer), resolve()), { once: true });
      this.addEventListener("down", () => (clearTimeout(timer), reject(new Error("went down"))), { once: true });
      return undefined;
    });
  }

  /** Media and data flow; a browser says "connected" for seconds after the last sign of life. */
  get isUp() {
    return this.#pc.connectionState === "connected" && this.channel.isOpen && !this.channel.isSilent;
  }

  /** New paths may mend it: the channel on it is not closed. */
  get canRestart() {
    return this.channel.isOpen && this.#pc.signalingState === "stable";
  }

  stats() {
    return this.#pc.getStats();
  }

  async setTrack(track) {
    await this.#sender?.replaceTrack(track);
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.channel.close();
    this.#pc.close();
  }

  #changed() {
    const state = this.#pc.connectionState;
    if (this.isUp) this.#emit("up");
    else if (state === "disconnected") this.#emit("shaky");
    else if (state === "failed") this.#emit("down");
  }

  #found(candidate) {
    this.#candidates.push(candidate);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#flush(), GATHER_MS);
  }

  #flush() {
    if (this.#closed || this.#sendCandidates === null || this.#candidates.length === 0) return;
    this.#sendCandidates(this.#candidates.splice(0)).catch(() => {});
  }

  #emit(name, detail) {
    if (!this.#closed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
