/** The agent's voice in the caller's ear: when it really plays, how far it has played, and blocked sound. */

const FIRST_MS = 50; // how often to look for the first packet
const REPORT_MS = 200;

/**
 * Events: ``playing`` (once a link: the element plays and audio has come); ``blocked`` (the browser wants a
 * click first); ``position`` (detail: RTP timestamp of the newest audio played out, 48 kHz clock).
 */
export class Playout extends EventTarget {
  #audio;
  #receiver = null;
  #timer = 0;
  #last = -1;

  /** ``audio``: the page's audio element. */
  constructor(audio) {
    super();
    this.#audio = audio;
  }

  /** Play what ``receiver`` gets; a new link's receiver replaces the old one's. */
  attach(receiver) {
    clearInterval(this.#timer);
    this.#receiver = receiver;
    this.#last = -1;
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

  /** Play through another loudspeaker, where the browser can. */
  async setSpeaker(deviceId) {
    await this.#audio.setSinkId?.(deviceId);
  }

  stop() {
    clearInterval(this.#timer);
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
    if (this.#audio.paused || position === undefined || position === this.#last) return;
    this.#last = position;
    this.dispatchEvent(new CustomEvent("position", { detail: position }));
  }
}
