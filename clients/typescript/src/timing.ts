/** The `Server-Timing` header: where the time of a page went. https://www.w3.org/TR/server-timing/ */

/** One entry: `reviews;dur=200.31;desc="late"`. */
export interface Timing {
  /** A part's name, or `admission`, or `total`. */
  name: string;
  durationMs: number;
  /** The status of the part. */
  status?: string;
}

/** Every entry, in order; what cannot be read is left out. */
export function parseServerTiming(header: string | null | undefined): Timing[] {
  const timings: Timing[] = [];
  for (const entry of split(header ?? "", ",")) {
    const [name, ...parameters] = split(entry, ";");
    if (!name) continue;
    const timing: Timing = { name, durationMs: 0 };
    for (const parameter of parameters) {
      const [key, value] = pair(parameter);
      const duration = Number(value);
      if (key === "dur" && Number.isFinite(duration)) timing.durationMs = duration;
      if (key === "desc") timing.status = value;
    }
    timings.push(timing);
  }
  return timings;
}

/** Splits where the separator stands outside quotes. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let part = "";
  let quoted = false;
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    if (character === separator && !quoted) {
      parts.push(part.trim());
      part = "";
    } else {
      part += character;
    }
  }
  return [...parts, part.trim()];
}

function pair(parameter: string): [string, string] {
  const at = parameter.indexOf("=");
  if (at < 0) return [parameter, ""];
  const value = parameter.slice(at + 1).trim();
  return [parameter.slice(0, at).trim().toLowerCase(), value.replace(/^"(.*)"$/, "$1")];
}
