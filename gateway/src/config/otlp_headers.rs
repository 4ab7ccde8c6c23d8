//! Headers for a receiver of the OpenTelemetry protocol: most often a key, so none of their
//! values is ever shown.

use std::path::Path;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::kinds::Kind;
use super::problem::Problem;

/// Largest file of headers that is read.
const MAX_FILE: u64 = 64 * 1024;

/// Headers and their values; the values are marked as secrets.
type Headers = Vec<(HeaderName, HeaderValue)>;

/// `name=value,name=value`, as variables hold them: values are percent-encoded.
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables>
pub(super) const OTLP_HEADERS: Kind<Headers> = Kind {
    read: |raw| {
        let text = raw.text("headers")?;
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        pairs
            .enumerate()
            .map(|(at, pair)| {
                let place = format!("header {}", at + 1);
                let (name, value) = pair.split_once('=').ok_or_else(|| not_a_pair(&place))?;
                let value = percent_decode_str(value.trim()).decode_utf8();
                let value = value.map_err(|_| not_a_value(&place))?;
                header(&place, name, &value)
            })
            .collect()
    },
    show: |_| json!("***"),
    schema: || json!({"type": "string"}),
};

/// A header on each line, `name=value` or `name: value`; empty lines and those that begin
/// with `#` are none. Values are as they stand.
pub(super) fn read_file(path: &Path) -> Result<Headers, Problem> {
    let cannot = |error: std::io::Error| {
        let what = format!("cannot read {}: {error}", path.display());
        Problem::new(what).help("name a file that the user that runs the gateway may read")
    };
    let about = std::fs::metadata(path).map_err(cannot)?;
    if !about.is_file() || about.len() > MAX_FILE {
        let what = format!("{} is not a file of headers", path.display());
        return Err(Problem::new(what).help("name a regular file of at most 64 KiB"));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let mut headers = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("line {} of {}", at + 1, path.display());
        let split = line.find(['=', ':']).ok_or_else(|| not_a_pair(&place))?;
        headers.push(header(&place, &line[..split], line[split + 1..].trim())?);
    }
    Ok(headers)
}

fn header(place: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Problem> {
    let name = name.trim().parse().map_err(|_| {
        let help = "a header name is letters, digits and dashes, such as `api-key`";
        Problem::new(format!("{place} has no header's name")).help(help)
    })?;
    let mut value = HeaderValue::from_str(value).map_err(|_| not_a_value(place))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn not_a_pair(place: &str) -> Problem {
    Problem::new(format!("{place} is not a header")).help("write a name and a value: `api-key=…`")
}

fn not_a_value(place: &str) -> Problem {
    let help = "a value is visible ASCII, percent-encoded where a variable holds it";
    Problem::new(format!("{place} has no header's value")).help(help)
}

#[cfg(test)]
mod tests {
    use super::super::raw::Raw;
    use super::*;

    fn shown(headers: Headers) -> Vec<(String, String)> {
        let text = |(name, value): (HeaderName, HeaderValue)| {
            assert!(value.is_sensitive());
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.into_iter().map(text).collect()
    }

    #[test]
    fn a_variable_holds_pairs_and_values_are_percent_decoded() {
        let read = |text: &str| (OTLP_HEADERS.read)(&Raw::Plain(text));
        let headers = read("api-key=a%20b==, X-Team = shop ,").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            shown(headers),
            [pair("api-key", "a b=="), pair("x-team", "shop")]
        );
        assert_eq!(read("").unwrap(), []);
        for bad in ["hush", "a b=hush", "a=%ff", "a=%0a", "=hush"] {
            let problem = read(bad).unwrap_err();
            assert!(!problem.to_string().contains("hush"), "{problem}");
        }
    }

    #[test]
    fn a_file_holds_a_header_on_each_line_and_its_faults_name_the_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |text: &str| std::fs::write(file.path(), text).unwrap();
        write("# of the vendor\n\napi-key = 5%20\nAuthorization: Bearer a=b\n");
        let headers = shown(read_file(file.path()).unwrap());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers,
            [pair("api-key", "5%20"), pair("authorization", "Bearer a=b")]
        );
        write("a=1\nhush\n");
        let problem = read_file(file.path()).unwrap_err().to_string();
        assert!(
            problem.contains("line 2") && !problem.contains("hush"),
            "{problem}"
        );
        assert!(read_file(Path::new("/nowhere")).is_err());
        assert!(read_file(Path::new("/dev/zero")).is_err());
    }
}
