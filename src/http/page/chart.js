// One observation over time, within its bounds, with the actions that were sent.

import { h, s, say, set, show } from "./dom.js";
import { ago, moment, observed, short, span as spanText } from "./format.js";

const TOP = 12;
const BOTTOM = 20;
const RIGHT = 42;
const LEFT = 2;
/** Points kept while the page is open; beyond, the oldest go. */
const MAX_POINTS = 2000;

export class Chart {
  constructor() {
    this.points = [];
    this.marks = [];
    this.bounds = {};
    this.unit = "ratio";
    this.name = "";
    this.now = 0;
    this.drawing = s("svg", { role: "img", "aria-label": "No history yet" });
    this.hint = h("div", { class: "chart-hint", hidden: true });
    this.nothing = h("div", { class: "chart-empty" }, "No history yet");
    this.element = h("div", { class: "chart" }, this.drawing, this.hint, this.nothing);
    this.element.addEventListener("pointermove", (event) => this.point(event));
    this.element.addEventListener("pointerleave", () => this.unpoint());
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Takes a whole history. */
  load(points, marks) {
    this.points = points.map(([at, value]) => ({ at, value: Number(value), text: value }));
    this.marks = marks;
    this.draw();
  }

  /** Takes the newest value; a block that fell away takes its points with it. */
  add(at, text) {
    const last = this.points.at(-1);
    if (last?.at === at && last.text === text) return;
    while (this.points.length > 0 && this.points.at(-1).at >= at) this.points.pop();
    this.points.push({ at, value: Number(text), text });
    if (this.points.length > MAX_POINTS) this.points.shift();
  }

  /** Takes an action that was sent. */
  mark(mark) {
    if (!this.marks.some((known) => known.at === mark.at && known.action === mark.action)) {
      this.marks.push(mark);
    }
  }

  /** Draws it with these bounds, up to this moment of the chain. */
  update({ name, unit, min, target, max }, now, from) {
    const number = (text) => (text === null || text === undefined ? null : Number(text));
    this.bounds = { min: number(min), target: number(target), max: number(max) };
    this.name = name;
    this.unit = unit;
    this.now = now;
    this.from = from;
    this.draw();
  }

  scales() {
    const width = this.element.clientWidth;
    const height = this.element.clientHeight;
    const values = this.points.map((point) => point.value);
    const known = [this.bounds.min, this.bounds.max, this.bounds.target].filter((b) => b !== null);
    const low = Math.min(...values, ...known);
    const high = Math.max(...values, ...known);
    const pad = (high - low) * 0.09 || Math.abs(high) * 0.05 || 1;
    const start = Math.max(this.points[0].at, this.from ?? 0);
    const end = Math.max(this.now, this.points.at(-1).at, start + 1);
    const inner = width - LEFT - RIGHT;
    return {
      width, height, start, end,
      x: (at) => LEFT + ((Math.max(at, start) - start) / (end - start)) * inner,
      y: (value) => TOP + (1 - (value - low + pad) / (high - low + 2 * pad)) * (height - TOP - BOTTOM),
      at: (x) => start + ((x - LEFT) / inner) * (end - start),
    };
  }

  draw() {
    show(this.nothing, this.points.length === 0);
    if (this.points.length === 0 || this.element.clientWidth === 0) {
      this.drawing.replaceChildren();
      return;
    }
    const to = this.scales();
    this.to = to;
    set(this.drawing, "viewBox", `0 0 ${to.width} ${to.height}`);
    set(this.drawing, "aria-label", this.summary());
    this.drawing.replaceChildren(
      ...this.drawBounds(to),
      ...this.drawAxis(to),
      s("path", { class: "line", d: this.path(to) }),
      ...this.drawMarks(to),
      this.drawTip(to),
    );
  }

  drawBounds(to) {
    const { min, target, max } = this.bounds;
    const right = to.width - RIGHT;
    const parts = [];
    if (min !== null && max !== null) {
      const top = to.y(max);
      parts.push(s("rect", { class: "band", x: LEFT, y: top, width: right - LEFT, height: to.y(min) - top }));
    }
    for (const [bound, kind] of [[min, "bound"], [max, "bound"], [target, "target"]]) {
      if (bound === null) continue;
      const y = to.y(bound).toFixed(1);
      parts.push(s("line", { class: kind, x1: LEFT, x2: right, y1: y, y2: y }));
      parts.push(s("text", { x: right + 6, y: Number(y) + 4 }, short(bound.toFixed(6), 2)));
    }
    return parts;
  }

  drawAxis(to) {
    const y = to.height - 4;
    const right = to.width - RIGHT;
    return [
      s("text", { x: LEFT, y }, `−${spanText(to.end - to.start)}`),
      s("text", { x: right, y, "text-anchor": "end" }, "now"),
    ];
  }

  path(to) {
    const parts = [];
    let before = null;
    for (const point of this.points) {
      if (point.at < to.start) { before = point; continue; }
      if (parts.length === 0 && before) parts.push(`M${LEFT} ${to.y(before.value).toFixed(1)}`);
      parts.push(`${parts.length === 0 ? "M" : "L"}${to.x(point.at).toFixed(1)} ${to.y(point.value).toFixed(1)}`);
    }
    const last = this.points.at(-1);
    parts.push(`L${to.x(to.end).toFixed(1)} ${to.y(last.value).toFixed(1)}`);
    return parts.join("");
  }

  drawMarks(to) {
    return this.marks.filter((mark) => mark.at >= to.start).flatMap((mark) => {
      const x = to.x(mark.at);
      const y = to.y(this.valueAt(mark.at));
      const kind = mark.urgency ?? "routine";
      const diamond = `M${x} ${y - 5.5}L${x + 5.5} ${y}L${x} ${y + 5.5}L${x - 5.5} ${y}Z`;
      return [
        s("line", { class: `stem ${kind}`, x1: x, x2: x, y1: y + 6, y2: to.height - BOTTOM + 4 }),
        s("path", { class: `mark ${kind}`, d: diamond, "data-action": mark.action },
          s("title", {}, `${mark.action} (${kind}), block ${mark.block}, ${moment(mark.at)}`)),
      ];
    });
  }

  drawTip(to) {
    const last = this.points.at(-1);
    const kind = this.isOutside(last.value) ? "tip outside" : "tip";
    return s("circle", { class: kind, cx: to.x(to.end).toFixed(1), cy: to.y(last.value).toFixed(1), r: 4.5 });
  }

  isOutside(value) {
    const { min, max } = this.bounds;
    return (min !== null && value < min) || (max !== null && value > max);
  }

  valueAt(at) {
    let found = this.points[0];
    for (const point of this.points) {
      if (point.at > at) break;
      found = point;
    }
    return found.value;
  }

  summary() {
    const { min, target, max } = this.bounds;
    const last = observed(this.points.at(-1).text, this.unit);
    const within = min !== null && max !== null ? `, bounds ${short(min.toFixed(6), 2)} to ${short(max.toFixed(6), 2)}` : "";
    const aim = target !== null ? `, target ${short(target.toFixed(6), 2)}` : "";
    const acted = this.marks.length > 0 ? `, ${this.marks.length} actions` : "";
    return `${this.name} over ${spanText(this.to.end - this.to.start)}: now ${last}${within}${aim}${acted}`;
  }

  point(event) {
    if (this.points.length === 0 || !this.to) return;
    const box = this.element.getBoundingClientRect();
    const x = Math.min(Math.max(event.clientX - box.left, LEFT), this.to.width - RIGHT);
    const at = this.to.at(x);
    let nearest = this.points[0];
    for (const point of this.points) {
      if (Math.abs(point.at - at) < Math.abs(nearest.at - at)) nearest = point;
    }
    const px = this.to.x(nearest.at);
    this.drawing.querySelector(".cursor")?.remove();
    this.drawing.append(s("line", { class: "cursor", x1: px, x2: px, y1: TOP - 4, y2: this.to.height - BOTTOM }));
    say(this.hint, `${observed(nearest.text, this.unit)} · ${ago(nearest.at, this.to.end)}`);
    show(this.hint, true);
    const half = this.hint.offsetWidth / 2;
    this.hint.style.left = `${Math.min(Math.max(px - half, 0), this.to.width - 2 * half)}px`;
  }

  unpoint() {
    this.drawing.querySelector(".cursor")?.remove();
    show(this.hint, false);
  }
}
