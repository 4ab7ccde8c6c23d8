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
export declare function parseServerTiming(header: string | null | undefined): Timing[];
