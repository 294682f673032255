/** The agent's voice in the caller's ear: when it really plays, how far it has played, and blocked sound. */

const FIRST_MS = 50; // how often to look for the first packet
const REPORT_MS = 200;
const END_MS = 20; // one packet
const RTP_PER_MS = 48;

/** How far one RTP timestamp lies behind another (RFC 3550, 5.1: modulo 2**32). */
const since = (rtp, before) => (rtp - before) | 0;

/**
 * Events: ``playing`` (once a link: the element plays and audio has come); ``blocked`` (the browser wants a
 * click first); ``position`` (detail: RTP timestamp of the newest audio played out, 48 kHz clock): every 200 ms
 * until it has reached the end of the agent's speech, and then at once.
 */
export class Playout extends EventTarget {
  #audio;
  #receiver = null;
  #timer = 0;
  #last; // the newest position reported
  #until = null;
  #ending = 0;

  /** ``audio``: the page's audio element. */
  constructor(audio) {
    super();
    this.#audio = audio;
  }

  /** Play what ``receiver`` gets; a new link's receiver replaces the old one's. */
  attach(receiver) {
    clearInterval(this.#timer);
    this.#receiver = receiver;
    this.#last = undefined;
    this.reportUntil(null);
    this.#audio.srcObject = new MediaStream([receiver.track]);
    this.#timer = setInterval(() => this.#look(), FIRST_MS);
    this.unblock();
  }

  /** Start playing; to be called from a click where the browser had blocked it. */
  async unblock() {
    try {
      await this.#audio.play();
    } catch (error) {
      if (error.name === "NotAllowedError") this.dispatchEvent(new Event("blocked"));
    }
  }

  /**
   * The end of the agent's speech, as an RTP timestamp of this link: nothing is reported once a report was at or
   * past it. Null: there is more to come than is known, so report on.
   */
  reportUntil(end) {
    this.#until = end;
    this.#awaitEnd();
  }

  /** Play through another loudspeaker, where the browser can. */
  async setSpeaker(deviceId) {
    await this.#audio.setSinkId?.(deviceId);
  }

  stop() {
    clearInterval(this.#timer);
    clearTimeout(this.#ending);
    this.#receiver = null;
    this.#audio.pause();
    this.#audio.srcObject = null;
  }

  /** RTP timestamp of the newest audio played out, or undefined when none came. */
  get #position() {
    return this.#receiver?.getSynchronizationSources()[0]?.rtpTimestamp;
  }

  #look() {
    if (this.#audio.paused || this.#audio.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (this.#position === undefined) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#report(), REPORT_MS);
    this.dispatchEvent(new Event("playing"));
    this.#report();
  }

  #report() {
    const position = this.#position;
    if (this.#audio.paused || position === undefined || position === this.#last || this.#isAtEnd(this.#last)) return;
    this.#last = position;
    this.dispatchEvent(new CustomEvent("position", { detail: position }));
  }

  /** Report the end when it plays, and not up to 200 ms later; the regular look comes anyway. */
  #awaitEnd() {
    clearTimeout(this.#ending);
    const position = this.#position;
    if (this.#until === null || position === undefined || this.#isAtEnd(this.#last)) return;
    if (this.#isAtEnd(position)) return this.#report();
    const left_ms = since(this.#until, position) / RTP_PER_MS;
    this.#ending = setTimeout(() => this.#awaitEnd(), Math.max(END_MS, left_ms));
  }

  #isAtEnd(position) {
    return this.#until !== null && position !== undefined && since(position, this.#until) >= 0;
  }
}
