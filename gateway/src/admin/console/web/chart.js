// Lines over the last minutes, as SVG. A chart is an image to a screen reader, with its figures in a sentence; what a line
// is never hangs on its colour alone.

import { svg, set, text } from './dom.js';
import { SPANS_MS } from './history.js';

const LEFT = 46, RIGHT = 8, TOP = 14, BOTTOM = 20;
/** A longer time without a figure is a gap in the line. */
const GAP_MS = 3500;
/** Words of the axis of time, by the time it shows; each at a share of it before now. */
const TICKS = new Map([
  [60_000, [[1, '1 min ago'], [0.5, '30 s'], [0, 'now']]],
  [300_000, [[1, '5 min ago'], [0.6, '3 min'], [0.2, '1 min'], [0, 'now']]],
]);
const MOST_TICKS = 4;

/** The least round number that is not below `value`. */
export function ceiling(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((step) => step * unit).find((top) => top >= value);
}

/** Pieces of a line without gaps. */
function pieces(points) {
  const found = [];
  let last = null;
  for (const point of points) {
    if (point.value === null || point.value === undefined) {
      last = null;
      continue;
    }
    if (last && point.at - last.at <= GAP_MS) found.at(-1).push(point);
    else found.push([point]);
    last = point;
  }
  return found;
}

function path(points, x, y, baseline) {
  return pieces(points).map((piece) => {
    const line = piece.map((point, nth) => `${nth ? 'L' : 'M'}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join('');
    if (baseline === undefined) return piece.length > 1 ? line : `${line}h1`;
    return `${line}L${x(piece.at(-1).at).toFixed(1)} ${baseline}L${x(piece[0].at).toFixed(1)} ${baseline}Z`;
  }).join('');
}

/**
 * A chart with these `lines`, drawn in their order by the classes `line-NAME`; `unit` writes a value, `axis` a round one.
 * `update({now, lines: {name: points}, limit, marks, label})` draws it; `limit` is a value to hold the lines against.
 */
export function chart(host, lines, { axis, unit }, height = 132) {
  const paths = lines.map((name) => svg('path', { class: `line line-${name}` }));
  const area = svg('path', { class: 'area' });
  const limitLine = svg('path', { class: 'limit' });
  const limitText = svg('text', { class: 'limit-text', 'text-anchor': 'end' });
  const marks = svg('g', { class: 'marks' });
  const grid = svg('path', { class: 'grid' });
  const top = svg('text', { x: LEFT - 6, 'text-anchor': 'end' });
  const zero = svg('text', { x: LEFT - 6, 'text-anchor': 'end' }, '0');
  const ticks = Array.from({ length: MOST_TICKS }, () => svg('text'));
  const drawing = svg('svg', { role: 'img', height, class: 'chart' }, grid, area, ...paths, limitLine, limitText, marks, top, zero, ...ticks);
  host.append(drawing);
  drawing.update = ({ now, lines: values, limit, changes, label }) => {
    const width = Math.max(host.clientWidth, 240);
    const [right, bottom] = [width - RIGHT, height - BOTTOM];
    const first = Math.min(now, ...Object.values(values).map((points) => points[0]?.at ?? now));
    const span = SPANS_MS.find((span) => span >= now - first) ?? SPANS_MS.at(-1);
    const shown = Object.values(values).flat().filter((point) => point.at >= now - span);
    const most = ceiling(Math.max(limit ?? 0, ...shown.map((point) => point.value ?? 0)) * 1.05);
    const x = (at) => LEFT + (right - LEFT) * (1 - (now - at) / span);
    const y = (value) => bottom - (bottom - TOP) * Math.min(value, most) / most;
    set(drawing, 'width', width);
    set(drawing, 'viewBox', `0 0 ${width} ${height}`);
    set(drawing, 'aria-label', label);
    set(grid, 'd', `M${LEFT} ${TOP}H${right}M${LEFT} ${(TOP + bottom) / 2}H${right}M${LEFT} ${bottom}H${right}`);
    const within = (name) => values[name].filter((point) => point.at >= now - span);
    set(area, 'd', path(within(lines.at(-1)), x, y, bottom));
    lines.forEach((name, nth) => set(paths[nth], 'd', path(within(name), x, y)));
    set(limitLine, 'd', limit ? `M${LEFT} ${y(limit)}H${right}` : 'M0 0');
    text(limitText, limit ? `deadline ${unit(limit)}` : '');
    set(limitText, 'x', right);
    set(limitText, 'y', limit ? y(limit) - 4 : 0);
    drawMarks(marks, changes.filter((change) => change.at_ms >= now - span && change.at_ms <= now), x, bottom);
    text(top, axis(most));
    set(top, 'y', TOP + 4);
    set(zero, 'y', bottom + 4);
    const words = TICKS.get(span);
    ticks.forEach((tick, nth) => {
      const [before, word] = words[nth] ?? [0, ''];
      text(tick, word);
      set(tick, 'text-anchor', before === 1 ? 'start' : before === 0 ? 'end' : 'middle');
      set(tick, 'x', x(now - before * span).toFixed(1));
      set(tick, 'y', height - 4);
    });
  };
  return drawing;
}

/** A line and a diamond for each change; a cross for one that was refused. */
function drawMarks(group, changes, x, bottom) {
  group.replaceChildren(...changes.map((change) => {
    const at = x(change.at_ms).toFixed(1);
    const refused = change.outcome === 'refused';
    const shape = refused ? `M${at - 4} 3l8 8m0 -8l-8 8` : `M${at} 2l5 5l-5 5l-5 -5z`;
    return svg('g', { class: refused ? 'mark refused' : 'mark' },
      svg('title', {}, `${change.trigger} ${change.outcome}: ${change.keys.join(', ')}`),
      svg('path', { class: 'mark-line', d: `M${at} 12V${bottom}` }),
      svg('path', { class: 'mark-shape', d: shape }));
  }));
}
