// Numbers as people read them, each with its unit.

/** `12 ms`, `1.50 s`; an en dash for what there is none of. */
export function time(ms) {
  if (ms === null || ms === undefined) return '–';
  if (Math.abs(ms) >= 999.5) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 9.95 || ms <= -0.05 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

/** Per second, without the unit: `40.0`, `1250`. */
export function rate(perSecond) {
  return perSecond >= 999.5 ? perSecond.toFixed(0) : perSecond.toFixed(1);
}

/** `just now`, `12 s ago`, `3 min ago`; of an instant beside another, both in ms since 1970. */
export function ago(atMs, nowMs) {
  const seconds = Math.max(0, (nowMs - atMs) / 1000);
  if (seconds < 1.5) return 'just now';
  if (seconds < 90) return `${seconds.toFixed(0)} s ago`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(0)} min ago`;
  return `${(seconds / 3600).toFixed(1)} h ago`;
}

/** The time of day, as the browser's clock has it. */
export function clock(atMs) {
  return new Date(atMs).toLocaleTimeString([], { hour12: false });
}

/** One thing, two things. */
export function count(many, one, more = `${one}s`) {
  return `${many} ${many === 1 ? one : more}`;
}
