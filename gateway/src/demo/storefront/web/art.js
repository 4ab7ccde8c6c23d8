// A drawing for each category, since the fakes have no pictures.

const SVG = "http://www.w3.org/2000/svg";

/** Paths on a square of 200; what ends in `!` is filled. @type {Record<string, string[]>} */
const DRAWINGS = {
  "Audio": ["M52 118V100a48 48 0 0 1 96 0v18", "M44 112h16a6 6 0 0 1 6 6v30a6 6 0 0 1-6 6h-8a14 14 0 0 1-14-14v-22a6 6 0 0 1 6-6z!", "M156 112h-16a6 6 0 0 0-6 6v30a6 6 0 0 0 6 6h8a14 14 0 0 0 14-14v-22a6 6 0 0 0-6-6z!"],
  "Home Office": ["M70 156h60", "M100 156v-34l-26-34 34-32", "M96 44l36 26 10-22-30-18z!"],
  "Kitchen": ["M52 92h96v44a18 18 0 0 1-18 18H70a18 18 0 0 1-18-18z!", "M44 84h112", "M92 84V72h16v12", "M52 104H38", "M148 104h14"],
  "Outdoor": ["M100 58l56 94H44z!", "M100 58V46", "M100 100l26 52H74z", "M34 152h132", "M150 56a12 12 0 1 1 .1 0z"],
  "Cycling": ["M62 152a26 26 0 1 1 .1 0z", "M138 152a26 26 0 1 1 .1 0z", "M62 126l22-40h42l12 40", "M84 86l16 40h-38", "M126 86l-26 40", "M76 72h18", "M126 86l-6-18h16"],
  "Home & Living": ["M80 156c-14-18-14-40 4-52V92h32v12c18 12 18 34 4 52z!", "M100 92V58", "M100 76c-4-16-18-20-26-18 0 12 12 20 26 18z!", "M100 68c4-16 18-22 26-20 0 14-12 22-26 20z!"],
  "Games & Books": ["M44 62c20-8 40-6 56 6v88c-16-12-36-14-56-6z!", "M156 62c-20-8-40-6-56 6v88c16-12 36-14 56-6z", "M114 86c8-4 18-5 28-3", "M114 104c8-4 18-5 28-3"],
  "Care": ["M76 84h48a8 8 0 0 1 8 8v56a8 8 0 0 1-8 8H76a8 8 0 0 1-8-8V92a8 8 0 0 1 8-8z!", "M90 84V66h20v18", "M100 66V52h22", "M82 112h36v24H82z"],
};

/**
 * @param {string} category
 * @param {string} id of the product: each has a colour of its own
 */
export function drawing(category, id) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 200 200");
  svg.setAttribute("class", "art");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `Drawing for ${category}`);
  svg.style.setProperty("--hue", String((Number(id.replace(/\D/g, "")) * 47) % 360));
  const circle = document.createElementNS(SVG, "circle");
  for (const [name, value] of [["cx", "100"], ["cy", "104"], ["r", "82"]]) circle.setAttribute(name ?? "", value ?? "");
  svg.append(circle);
  for (const line of DRAWINGS[category] ?? []) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line.replace("!", ""));
    if (line.endsWith("!")) path.setAttribute("class", "filled");
    svg.append(path);
  }
  return svg;
}
