//! One JSON object a line, written as the event says it: no intermediate tree, no
//! second serialisation.
//!
//! `timestamp`, `level`, `target`, `message` and the event's own fields, flat. The lines of
//! pages, of which there are many, are not made here (see [`page`](super::page)).

use std::fmt::{self, Write as _};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::telemetry::traces::spans::Dialect;

/// The format, with the fields that every line has: whose line it is.
#[derive(Debug)]
pub(super) struct Json {
    /// `,"dd.service":…,"dd.env":…,"dd.version":…`, or the same as a resource's attributes.
    pub(super) identity: String,
}

/// Names that Datadog takes from any line for its own, whatever they say there: a severity, a
/// host, a service. `timestamp`, `level` and `message` are meant so.
/// <https://docs.datadoghq.com/logs/log_configuration/attributes_naming_convention/>
const RESERVED: &[&str] = &[
    "date", "ddsource", "ddtags", "dd", "host", "hostname", "service", "severity", "source",
    "status", "syslog",
];

impl Json {
    pub(super) fn new(dialect: Dialect, service: &str, env: &str, version: &str) -> Self {
        let names = match dialect {
            Dialect::Datadog => ["dd.service", "dd.env", "dd.version"],
            Dialect::Otlp => [
                "service.name",
                "deployment.environment.name",
                "service.version",
            ],
        };
        let mut identity = String::new();
        for (name, value) in names.into_iter().zip([service, env, version]) {
            let _ = write!(identity, ",\"{name}\":{}", Text(value));
        }
        Self { identity }
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let of = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(
            writer,
            "\",\"level\":\"{}\",\"target\":{}{}",
            of.level(),
            Text(of.target()),
            self.identity
        )?;
        let mut fields = Fields {
            writer: &mut writer,
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        writer.write_str("}\n")
    }
}

struct Fields<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
}

impl Fields<'_, '_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let name = field.name();
        let prefix = match RESERVED.contains(&name) {
            true => "field.",
            false => "",
        };
        let written = write!(self.writer, ",\"{prefix}{name}\":{value}");
        self.result = self.result.and(written);
    }
}

impl Visit for Fields<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        match value.is_finite() {
            true => self.write(field, format_args!("{value}")),
            false => self.write(field, format_args!("null")),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, format_args!("{}", Text(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let words = format!("{value:?}");
        self.write(field, format_args!("{}", Text(&words)));
    }
}

/// Text as a JSON string.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Out<'a, 'f>(&'a mut fmt::Formatter<'f>);
        impl std::io::Write for Out<'_, '_> {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let text = std::str::from_utf8(bytes).map_err(std::io::Error::other)?;
                self.0.write_str(text).map_err(std::io::Error::other)?;
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut serializer = serde_json::Serializer::new(Out(f));
        self.0.serialize(&mut serializer).map_err(|_| fmt::Error)
    }
}
