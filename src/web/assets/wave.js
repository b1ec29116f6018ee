// Draws a recording: the caller above the middle, the hotline below, what is spoken tinted, and the place that plays.

export class Wave {
  #canvas;
  #context;
  #segments;
  #peaks = null;
  #picture = null;
  duration = 0;

  /** `segments`: [{start, end, caller}] in milliseconds. */
  constructor(canvas, segments) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#segments = segments;
    const redraw = () => {
      this.#picture = null;
      this.draw(this.at);
    };
    new ResizeObserver(redraw).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }

  load(peaks) {
    this.#peaks = peaks;
    this.duration = peaks.duration_ms || this.duration;
    this.#picture = null;
  }

  /** Draws with the playing place at `ms`. */
  draw(ms) {
    this.at = ms;
    const scale = devicePixelRatio || 1;
    const width = Math.round(this.#canvas.clientWidth * scale);
    const height = Math.round(this.#canvas.clientHeight * scale);
    if (!width || !height) return;
    if (!this.#picture) {
      this.#canvas.width = width;
      this.#canvas.height = height;
      this.#picture = this.#paint(width, height, scale);
    }
    const context = this.#context;
    context.clearRect(0, 0, width, height);
    context.drawImage(this.#picture, 0, 0);
    if (!this.duration) return;
    const x = Math.round((ms / this.duration) * width);
    const style = getComputedStyle(document.documentElement);
    // What has been heard is dimmed by the sheet's own colour.
    context.globalAlpha = 0.45;
    context.fillStyle = style.getPropertyValue("--paper");
    context.fillRect(0, 0, x, height);
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--seal");
    context.fillRect(x - scale, 0, 2 * scale, height);
  }

  #paint(width, height, scale) {
    const picture = new OffscreenCanvas(width, height);
    const context = picture.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const colours = [style.getPropertyValue("--caller"), style.getPropertyValue("--gateway")];
    const middle = height / 2;
    context.globalAlpha = 0.12;
    for (const { start, end, caller } of this.duration ? this.#segments : []) {
      context.fillStyle = colours[caller ? 0 : 1];
      const x = (start / this.duration) * width;
      context.fillRect(x, caller ? 0 : middle, Math.max(scale, ((end - start) / this.duration) * width), middle);
    }
    context.globalAlpha = 1;
    context.fillStyle = style.getPropertyValue("--line");
    context.fillRect(0, middle - scale / 2, width, scale);
    const bar = 2 * scale;
    const gap = scale;
    this.#peaks?.channels.slice(0, 2).forEach((peaks, channel) => {
      context.fillStyle = colours[channel];
      for (let x = 0; x < width; x += bar + gap) {
        const from = Math.floor((x / width) * peaks.length);
        const to = Math.max(from + 1, Math.floor(((x + bar + gap) / width) * peaks.length));
        let top = 0;
        for (let i = from; i < to && i < peaks.length; i += 1) top = Math.max(top, peaks[i]);
        // A square root lifts quiet speech into sight.
        const tall = Math.sqrt(top / 255) * (middle - 3 * scale);
        if (tall >= 1) context.fillRect(x, channel === 0 ? middle - tall : middle, bar, tall);
      }
    });
    return picture;
  }
}
