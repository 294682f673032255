/** The caller's microphone: asking for it, which one, mute, its level, and what went wrong in plain kinds. */

const PROBLEMS = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none_found",
  OverconstrainedError: "none_found",
  NotReadableError: "in_use",
  AbortError: "in_use",
};

/** The key of the text that explains why getUserMedia failed. */
export const problem = (error) => PROBLEMS[error?.name] ?? "microphone_failed";

/** Browsers give microphones to secure pages only (https, or this very machine). */
export const isAvailable = () => window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);

/** Devices of one kind ("audioinput", "audiooutput") that carry a name: [] before permission was given. */
export async function devices(kind) {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return all.filter((d) => d.kind === kind && d.deviceId !== "" && d.label !== "");
}

const constraints = (deviceId) => ({
  audio: {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
    ...(deviceId ? { deviceId: { exact: deviceId } } : {}),
  },
});

/** Events: ``gone`` when the device was unplugged or taken away. */
export class Microphone extends EventTarget {
  #stream = null;
  #context = null;
  #source = null;
  #analyser = null;
  #samples = null;
  #muted = false;

  /** Ask for a microphone; throws what getUserMedia throws. Replaces the one open before. */
  async open(deviceId = "") {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(constraints(deviceId));
    } catch (error) {
      if (this.#stream === null || problem(error) !== "in_use") throw error;
      this.#stop(); // some phones open one microphone at a time: let go of the old one first
      stream = await navigator.mediaDevices.getUserMedia(constraints(deviceId));
    }
    this.#stop();
    this.#stream = stream;
    this.track.enabled = !this.#muted;
    this.track.addEventListener("ended", () => {
      if (this.#stream === stream) this.dispatchEvent(new Event("gone"));
    });
    this.#listen();
  }

  get isOpen() {
    return this.#stream !== null;
  }

  get track() {
    return this.#stream?.getAudioTracks()[0] ?? null;
  }

  get deviceId() {
    return this.track?.getSettings().deviceId ?? "";
  }

  /** What the browser really does about echo, in the words of the record: "on", "off" or "unknown". */
  get echoCancellation() {
    const state = this.track?.getSettings().echoCancellation;
    if (state === undefined) return "unknown";
    return state === false ? "off" : "on"; // newer browsers name the kind ("all", "remote-only") instead of true
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    if (this.track) this.track.enabled = !muted;
  }

  /** Loudness now, in dBFS (RMS over about 20 ms); -Infinity for digital silence, null when it is not known. */
  level() {
    if (this.#context?.state !== "running" || !this.isOpen || this.#muted) return null;
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return 10 * Math.log10(sum / this.#samples.length);
  }

  close() {
    this.#stop();
    this.#context?.close();
    this.#context = this.#analyser = null;
  }

  #listen() {
    this.#context ??= new AudioContext();
    this.#context.resume();
    this.#analyser ??= new AnalyserNode(this.#context, { fftSize: 1024 });
    this.#samples ??= new Float32Array(this.#analyser.fftSize);
    this.#source = this.#context.createMediaStreamSource(this.#stream);
    this.#source.connect(this.#analyser); // and not on to the loudspeaker
  }

  #stop() {
    this.#source?.disconnect();
    const stream = this.#stream;
    this.#source = this.#stream = null;
    stream?.getTracks().forEach((track) => track.stop());
  }
}
