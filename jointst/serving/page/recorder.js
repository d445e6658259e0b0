// Runs beside the page, in the thread of audio: one channel of the microphone as 16-bit samples, in pieces.

const PIECE = 0.04; // seconds

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(Math.round(PIECE * sampleRate));
    this.filled = 0;
    this.stopped = false;
    this.port.onmessage = () => {
      this.give();
      this.stopped = true;
      this.port.postMessage(null);
    };
  }

  give() {
    if (this.filled) this.port.postMessage(this.piece.slice(0, this.filled).buffer);
    this.filled = 0;
  }

  process([channels]) {
    if (this.stopped) return false; // it is called on as long as the microphone is connected
    for (const sample of channels[0] ?? []) {
      this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.filled === this.piece.length) this.give();
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
