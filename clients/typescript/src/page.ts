/**
 * Types of pages, parts and problems, as the OpenAPI description has them.
 *
 * A part's `data` is there only where its `status` is "ok": the compiler holds whoever reads it to
 * that. A required part is always "ok"; a complete page has no part that is lost.
 */

import type { paths } from "./openapi.js";

type Responses<P extends keyof paths> = paths[P] extends { get: { responses: infer R } } ? R : never;

/** The paths of all pages, as templates: `"/product-page/{id}"`. */
export type PagePath = keyof paths;

/** What a page is when it is answered. */
export type PageOf<P extends PagePath> =
  Responses<P> extends { 200: { content: { "application/json": infer Page } } } ? Page : never;

/** Every problem that a page can be refused with; `status` and `reason` tell them apart. */
export type ProblemOf<P extends PagePath> = {
  [Status in keyof Responses<P>]: Responses<P>[Status] extends { content: { "application/problem+json": infer Problem } }
    ? Problem
    : never;
}[keyof Responses<P>];

type Parameters<P extends PagePath> = paths[P] extends { parameters: infer All } ? All : never;

type InPath<P extends PagePath> = Parameters<P> extends { path: infer Params } ? Params : unknown;

/** Without the parameters of a page that has none of a query, where the description has `never`. */
type InQuery<P extends PagePath> = Parameters<P> extends { query?: infer Params } ? ([Params] extends [undefined] ? unknown : NonNullable<Params>) : unknown;

/** Values for the parameters of a page, of its path and its query: no two have one name. */
export type ParamsOf<P extends PagePath> = InPath<P> & InQuery<P>;

/** Whether the part is there, so that it has `data`. */
export function isThere<Part extends { status: string }>(part: Part): part is Extract<Part, { status: "ok" }> {
  return part.status === "ok";
}

/** The part's data, or nothing where it is missing or does not exist. */
export function dataOf<Part extends { status: string }>(
  part: Part,
): Extract<Part, { status: "ok" }> extends { data: infer Data } ? Data | undefined : undefined;
export function dataOf(part: { status: string; data?: unknown }): unknown {
  return part.status === "ok" ? part.data : undefined;
}
