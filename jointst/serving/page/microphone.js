// The microphone, over a WebSocket to the server, and what the server says it heard.

// What browsers do to voices for calls, a recogniser has not heard in training.
const SOUND = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };

export class Microphone {
  /**
   * @param {object} start the first message, without its sampling rate
   * @param {(message: object) => void} heard called with each partial and final text
   */
  constructor(start, heard) {
    this.start = start;
    this.heard = heard;
  }

  /** Ask for the microphone and begin. Resolves once the server listens. */
  async open() {
    if (!navigator.mediaDevices) throw new Error("the browser records only in pages of https or of localhost");
    this.sound = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
    try {
      this.context = new AudioContext();
      await this.context.audioWorklet.addModule("recorder.js");
      await this.#connect();
      this.node = new AudioWorkletNode(this.context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
      this.node.port.onmessage = ({ data }) => this.#send(data ?? JSON.stringify({ type: "end" }));
      // only what leads to the loudspeakers is sure to run; the recorder itself says nothing
      this.context.createMediaStreamSource(this.sound).connect(this.node).connect(this.context.destination);
      await this.context.resume();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Say no more; texts come until `closed` resolves. */
  stop() {
    this.node.port.postMessage("stop");
    this.sound.getTracks().forEach((track) => track.stop());
  }

  #send(data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  #connect() {
    this.socket = new WebSocket(new URL("v1/audio/stream", location.href.replace(/^http/, "ws")));
    let problem = "";
    return new Promise((resolve, reject) => {
      this.socket.onopen = () => this.#send(JSON.stringify({ ...this.start, sample_rate: this.context.sampleRate }));
      this.socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.type === "ready") resolve();
        else if (message.type === "error") problem = message.error.message;
        else this.heard(message);
      };
      // resolves to what went wrong, or to nothing
      this.closed = new Promise((done) => {
        this.socket.onclose = ({ code, reason }) => {
          this.#release();
          problem ||= code === 1000 ? "" : reason || "the connection was lost";
          reject(new Error(problem));
          done(problem);
        };
      });
    });
  }

  #release() {
    this.sound.getTracks().forEach((track) => track.stop());
    if (this.context?.state !== "closed") this.context?.close();
    this.socket?.close();
  }
}
