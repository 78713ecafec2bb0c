// Draw a spectrum on a canvas: any number of points, each column as high as what falls into it.

const LEFT = 58, RIGHT = 12, TOP = 26, BOTTOM = 34;
const LIGHT_SPEED = 299792.458;

export class Plot {
  constructor(canvas, readout) {
    Object.assign(this, { canvas, readout, curves: [], lines: [], hAlpha: null, range: null, sigma: 0, label: "" });
    this.pointers = new Map();
    new ResizeObserver(() => this.drawSoon()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawSoon());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", () => this.fit());
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "pointerleave"]) {
      canvas.addEventListener(name, (event) => this[name](event));
    }
  }

  // curves: {wave, flux, lengths, faint}; lines: {wave, name}, where the curves' axis has them.
  show(curves, { hAlpha, lines, label, medium, keep }) {
    Object.assign(this, { curves, hAlpha, lines, label, medium });
    this.smoothed = new Map();
    const whole = this.whole();
    const [low, high] = this.range ?? [0, 0];
    if (!keep || !whole || high <= whole[0] || low >= whole[1]) this.range = whole;
    this.drawSoon();
  }

  whole() {
    let low = Infinity, high = -Infinity;
    for (const { wave, lengths } of this.curves.filter((curve) => !curve.faint)) {
      for (const [start, end] of parts(lengths)) {
        if (end > start) { low = Math.min(low, wave[start]); high = Math.max(high, wave[end - 1]); }
      }
    }
    return high > low ? [low, high] : null;
  }

  fit() { this.range = this.whole(); this.drawSoon(); }

  around(centre, reach) { this.range = [centre - reach, centre + reach]; this.drawSoon(); }

  smooth(sigma) { this.sigma = sigma; this.smoothed = new Map(); this.drawSoon(); }

  zoom(factor, at = 0.5) {
    if (!this.range) return;
    const [low, high] = this.range, centre = low + at * (high - low), whole = this.whole();
    const span = Math.max(0.02, Math.min((high - low) * factor, 1.2 * (whole[1] - whole[0])));
    this.range = [centre - at * span, centre + (1 - at) * span];
    this.drawSoon();
  }

  pan(share) {
    if (!this.range) return;
    const by = share * (this.range[1] - this.range[0]);
    this.range = [this.range[0] + by, this.range[1] + by];
    this.drawSoon();
  }

  get inner() { return this.canvas.clientWidth - LEFT - RIGHT; }

  shareAt(event) { return (event.clientX - this.canvas.getBoundingClientRect().left - LEFT) / this.inner; }

  wheel(event) {
    if (!this.range) return;
    event.preventDefault();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / this.inner);
    else this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300))), this.shareAt(event));
  }

  pointerdown(event) {
    this.pointers.set(event.pointerId, event);
    this.canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse" && !event.shiftKey) this.box = [this.shareAt(event), this.shareAt(event)];
  }

  pointermove(event) {
    this.cursor = this.shareAt(event);
    const before = this.pointers.get(event.pointerId);
    if (before && this.range) {
      const others = [...this.pointers.values()].filter((other) => other.pointerId !== event.pointerId);
      if (this.box) this.box[1] = this.cursor;
      else if (others.length) this.pinch(before, event, others[0]);
      else this.pan((before.clientX - event.clientX) / this.inner);
      this.pointers.set(event.pointerId, event);
    }
    this.drawSoon();
  }

  pinch(before, now, other) {
    const old = Math.abs(before.clientX - other.clientX), wide = Math.abs(now.clientX - other.clientX);
    if (old > 10 && wide > 10) this.zoom(old / wide, this.shareAt(other));
  }

  pointerup(event) {
    this.pointers.delete(event.pointerId);
    if (this.box && this.range) {
      const [low, high] = this.range, [from, to] = this.box.map((share) => Math.max(0, Math.min(1, share))).sort((a, b) => a - b);
      if ((to - from) * this.inner > 6) this.range = [low + from * (high - low), low + to * (high - low)];
    }
    this.box = null;
    this.drawSoon();
  }

  pointercancel(event) { this.pointers.delete(event.pointerId); this.box = null; }

  pointerleave() { this.cursor = null; this.drawSoon(); }

  drawSoon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  fluxOf(curve) {
    if (!this.sigma) return curve.flux;
    if (!this.smoothed.has(curve)) this.smoothed.set(curve, gaussian(curve, this.sigma));
    return this.smoothed.get(curve);
  }

  draw() {
    const { canvas } = this, ratio = devicePixelRatio || 1;
    const wide = canvas.clientWidth, high = canvas.clientHeight;
    canvas.width = Math.round(wide * ratio);
    canvas.height = Math.round(high * ratio);
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    this.readout.textContent = "";
    if (!this.range || wide < LEFT + RIGHT + 20) return;
    const [first, last] = this.range, x = (wave) => LEFT + (wave - first) / (last - first) * this.inner;
    const [bottom, top] = this.heights(), y = (flux) => TOP + (top - flux) / (top - bottom) * (high - TOP - BOTTOM);
    this.axes(pen, colour, { x, y, bottom, top, wide, high });
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, TOP - 4, this.inner, high - TOP - BOTTOM + 8);
    pen.clip();
    for (const curve of [...this.curves].sort((a, b) => Number(b.faint ?? 0) - Number(a.faint ?? 0))) {
      pen.strokeStyle = colour(curve.faint ? "care" : "ink");
      pen.lineWidth = curve.faint ? 1 : 1.3;
      trace(pen, curve.wave, this.fluxOf(curve), curve.lengths, x, y, this.range, this.inner);
    }
    pen.restore();
    this.marks(pen, colour, x, high);
    this.pointer(pen, colour, x, high);
  }

  heights() {
    let low = Infinity, high = -Infinity;
    for (const curve of this.curves) {
      const flux = this.fluxOf(curve);
      for (const [start, end] of parts(curve.lengths)) {
        const from = search(curve.wave, this.range[0], start, end), to = search(curve.wave, this.range[1], start, end);
        for (let at = from; at < to; at++) {
          if (flux[at] < low) low = flux[at];
          if (flux[at] > high && flux[at] < Infinity) high = flux[at];
        }
      }
    }
    if (!(high >= low) || low === -Infinity) return [0, 1];
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  }

  axes(pen, colour, { x, y, bottom, top, wide, high }) {
    pen.strokeStyle = colour("rule");
    pen.fillStyle = colour("quiet");
    pen.lineWidth = 1;
    pen.textAlign = "center";
    for (const wave of ticks(this.range[0], this.range[1], Math.max(2, Math.floor(wide / 110)))) {
      pen.beginPath();
      pen.moveTo(Math.round(x(wave)) + 0.5, high - BOTTOM);
      pen.lineTo(Math.round(x(wave)) + 0.5, high - BOTTOM + 4);
      pen.stroke();
      pen.fillText(short(wave), x(wave), high - BOTTOM + 16);
    }
    pen.textAlign = "right";
    for (const flux of ticks(bottom, top, Math.max(2, Math.floor(high / 60)))) {
      pen.beginPath();
      pen.moveTo(LEFT, Math.round(y(flux)) + 0.5);
      pen.lineTo(wide - RIGHT, Math.round(y(flux)) + 0.5);
      pen.stroke();
      pen.fillText(short(flux), LEFT - 6, y(flux) + 4);
    }
    pen.textAlign = "center";
    pen.fillText(`${this.medium ? `${this.medium} wavelength` : "Wavelength"} [Å]`, LEFT + this.inner / 2, high - 4);
    pen.textAlign = "left";
    pen.fillText(this.label, LEFT, 12);
  }

  marks(pen, colour, x, high) {
    let free = -Infinity;
    for (const { wave, name } of [...this.lines].sort((a, b) => a.wave - b.wave)) {
      if (wave < this.range[0] || wave > this.range[1]) continue;
      const at = Math.round(x(wave)) + 0.5, main = name === "Hα";
      pen.strokeStyle = colour(main ? "mark" : "rule");
      pen.fillStyle = colour(main ? "mark" : "quiet");
      pen.setLineDash(main ? [] : [4, 3]);
      pen.beginPath();
      pen.moveTo(at, TOP);
      pen.lineTo(at, high - BOTTOM);
      pen.stroke();
      const size = pen.measureText(name).width;
      if (at - size / 2 > free) {
        pen.textAlign = "center";
        pen.fillText(name, Math.max(at, LEFT + size / 2), TOP - 2);
        free = at + size / 2 + 4;
      }
    }
    pen.setLineDash([]);
  }

  pointer(pen, colour, x, high) {
    const [first, last] = this.range;
    if (this.box) {
      pen.fillStyle = colour("rule");
      pen.globalAlpha = 0.5;
      pen.fillRect(LEFT + Math.min(...this.box) * this.inner, TOP, Math.abs(this.box[1] - this.box[0]) * this.inner, high - TOP - BOTTOM);
      pen.globalAlpha = 1;
    }
    if (this.cursor === null || this.cursor === undefined || this.cursor < 0 || this.cursor > 1 || !this.curves.length) return;
    const wave = first + this.cursor * (last - first), main = this.curves[0];
    pen.strokeStyle = colour("quiet");
    pen.beginPath();
    pen.moveTo(x(wave), TOP);
    pen.lineTo(x(wave), high - BOTTOM);
    pen.stroke();
    const at = nearest(main, wave);
    const speed = this.hAlpha ? `  ${((wave / this.hAlpha - 1) * LIGHT_SPEED).toFixed(0)} km/s from Hα` : "";
    this.readout.textContent = at < 0 ? `${wave.toFixed(2)} Å` : `${wave.toFixed(2)} Å  flux ${short(this.fluxOf(main)[at], 4)}${speed}`;
  }
}

function parts(lengths) {
  let end = 0;
  return lengths.map((length) => [end, (end += length)]);
}

// The first place in [start, end) whose value is not below the wanted one.
function search(values, wanted, start, end) {
  while (start < end) {
    const middle = (start + end) >> 1;
    if (values[middle] < wanted) start = middle + 1; else end = middle;
  }
  return start;
}

function nearest({ wave, lengths }, wanted) {
  for (const [start, end] of parts(lengths)) {
    const at = search(wave, wanted, start, end);
    if (at > start && at < end) return wanted - wave[at - 1] < wave[at] - wanted ? at - 1 : at;
  }
  return -1;
}

function trace(pen, wave, flux, lengths, x, y, [first, last], inner) {
  for (const [start, end] of parts(lengths)) {
    const from = Math.max(start, search(wave, first, start, end) - 1), to = Math.min(end, search(wave, last, start, end) + 1);
    pen.beginPath();
    if (to - from > 3 * inner) columns(pen, wave, flux, from, to, x, y);
    else {
      let on = false;
      for (let at = from; at < to; at++) {
        if (!Number.isFinite(flux[at])) { on = false; continue; }
        if (on) pen.lineTo(x(wave[at]), y(flux[at])); else pen.moveTo(x(wave[at]), y(flux[at]));
        on = true;
      }
    }
    pen.stroke();
  }
}

// Of many points, draw the lowest and highest of each pixel.
function columns(pen, wave, flux, from, to, x, y) {
  let column = NaN, low = 0, high = 0;
  const flush = () => { if (!Number.isNaN(column)) { pen.lineTo(column, y(low)); pen.lineTo(column, y(high)); } };
  for (let at = from; at < to; at++) {
    if (!Number.isFinite(flux[at])) continue;
    const here = Math.round(x(wave[at]));
    if (here !== column) { flush(); column = here; low = high = flux[at]; }
    else { low = Math.min(low, flux[at]); high = Math.max(high, flux[at]); }
  }
  flush();
}

// Convolve each segment with a Gaussian of sigma pixels; points without a finite flux do not count.
function gaussian({ flux, lengths }, sigma) {
  const reach = Math.ceil(3 * sigma), weights = [];
  for (let step = -reach; step <= reach; step++) weights.push(Math.exp(-0.5 * (step / sigma) ** 2));
  const smooth = new Float64Array(flux.length);
  for (const [start, end] of parts(lengths)) {
    for (let at = start; at < end; at++) {
      let total = 0, weight = 0;
      for (let step = Math.max(-reach, start - at); step <= Math.min(reach, end - 1 - at); step++) {
        const value = flux[at + step];
        if (Number.isFinite(value)) { total += value * weights[step + reach]; weight += weights[step + reach]; }
      }
      smooth[at] = weight ? total / weight : NaN;
    }
  }
  return smooth;
}

function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let tick = Math.ceil(low / step); tick <= high / step + 1e-9; tick++) found.push(tick * step);
  return found;
}

const short = (number, digits = 6) => (Math.abs(number) < 1e-12 ? "0" : Math.abs(number) >= 1e6 || Math.abs(number) < 1e-4
  ? number.toExponential(2) : String(Number(number.toPrecision(digits))));
