// What was shown in the last minutes. The gateway keeps none of it.

/** Five minutes at one a second. */
const MOST = 300;

/** The figures of charts, by page. */
export class History {
  constructor() {
    this.points = [];
  }

  /** Takes in a snapshot. What came before a clock was set back is forgotten. */
  add(snapshot) {
    const last = this.points.at(-1);
    if (last && snapshot.at_ms <= last.at) this.points = [];
    const pages = new Map(snapshot.pages.map((page) => [page.name, page]));
    this.points.push({ at: snapshot.at_ms, pages });
    if (this.points.length > MOST) this.points.shift();
  }

  /** `[{at, value}]` of one page, by a function of what was shown of it. */
  of(page, value) {
    return this.points.map((point) => {
      const shown = point.pages.get(page);
      return { at: point.at, value: shown ? value(shown) : null };
    });
  }
}

/** Times that charts may show, in ms: the least that has all there is. */
export const SPANS_MS = [60_000, MOST * 1000];
