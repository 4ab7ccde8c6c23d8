//! The files of the shop, part of the program: nothing is built or looked for when it runs.

/// Content type and content of the file at a path.
pub(super) fn find(path: &str) -> Option<(&'static str, &'static str)> {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const MODULE: &str = "text/javascript; charset=utf-8";
    const SVG: &str = "image/svg+xml";
    let found = match path {
        "/" => (HTML, include_str!("web/index.html")),
        "/style.css" => (CSS, include_str!("web/style.css")),
        "/icon.svg" => (SVG, include_str!("web/icon.svg")),
        "/main.js" => (MODULE, include_str!("web/main.js")),
        "/dom.js" => (MODULE, include_str!("web/dom.js")),
        "/product.js" => (MODULE, include_str!("web/product.js")),
        "/art.js" => (MODULE, include_str!("web/art.js")),
        "/answer.js" => (MODULE, include_str!("web/answer.js")),
        "/burst.js" => (MODULE, include_str!("web/burst.js")),
        "/services.js" => (MODULE, include_str!("web/services.js")),
        _ => return client(path).map(|content| (MODULE, content)),
    };
    Some(found)
}

/// The TypeScript client, as it is compiled and committed. It keeps its place in the repository,
/// so that the shop's modules import it by the same path for a browser and for the compiler.
fn client(path: &str) -> Option<&'static str> {
    macro_rules! compiled {
        ($file:literal) => {
            include_str!(concat!("../../../../clients/typescript/dist/", $file))
        };
    }
    match path.strip_prefix("/clients/typescript/dist/")? {
        "index.js" => Some(compiled!("index.js")),
        "client.js" => Some(compiled!("client.js")),
        "page.js" => Some(compiled!("page.js")),
        "retry.js" => Some(compiled!("retry.js")),
        "timing.js" => Some(compiled!("timing.js")),
        _ => None,
    }
}
