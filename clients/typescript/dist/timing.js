/** The `Server-Timing` header: where the time of a page went. https://www.w3.org/TR/server-timing/ */
/** Every entry, in order; what cannot be read is left out. */
export function parseServerTiming(header) {
    const timings = [];
    for (const entry of split(header ?? "", ",")) {
        const [name, ...parameters] = split(entry, ";");
        if (!name)
            continue;
        const timing = { name, durationMs: 0 };
        for (const parameter of parameters) {
            const [key, value] = pair(parameter);
            const duration = Number(value);
            if (key === "dur" && Number.isFinite(duration))
                timing.durationMs = duration;
            if (key === "desc")
                timing.status = value;
        }
        timings.push(timing);
    }
    return timings;
}
/** Splits where the separator stands outside quotes. */
function split(text, separator) {
    const parts = [];
    let part = "";
    let quoted = false;
    for (const character of text) {
        if (character === '"')
            quoted = !quoted;
        if (character === separator && !quoted) {
            parts.push(part.trim());
            part = "";
        }
        else {
            part += character;
        }
    }
    return [...parts, part.trim()];
}
function pair(parameter) {
    const at = parameter.indexOf("=");
    if (at < 0)
        return [parameter, ""];
    const value = parameter.slice(at + 1).trim();
    return [parameter.slice(0, at).trim().toLowerCase(), value.replace(/^"(.*)"$/, "$1")];
}
