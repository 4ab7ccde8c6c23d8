/**
 * Types of pages, parts and problems, as the OpenAPI description has them.
 *
 * A part's `data` is there only where its `status` is "ok": the compiler holds whoever reads it to
 * that. A required part is always "ok"; a complete page has no part that is lost.
 */
/** Whether the part is there, so that it has `data`. */
export function isThere(part) {
    return part.status === "ok";
}
export function dataOf(part) {
    return part.status === "ok" ? part.data : undefined;
}
