//! The kinds of value that only this configuration has; the others are in [`settings::kinds`].

use std::path::{Path, PathBuf};

use serde_json::json;
use toml::de::DeValue;

pub(super) use settings::kinds::*;

use super::problem::Problem;
use super::raw::Raw;
use super::{EarlyReturns, Exporter, Http2, LogFormat, OpenApi, ShedStatus};

const LOGS: &[(&str, LogFormat)] = &[("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];

/// `"pretty"` or `"json"`.
pub(super) const LOG: Kind<LogFormat> = Kind {
    read: |raw| one_of(raw, LOGS),
    show: |log| match log {
        LogFormat::Pretty => json!("pretty"),
        LogFormat::Json => json!("json"),
    },
    schema: || json!({"enum": ["pretty", "json"]}),
};

const EXPORTERS: &[(&str, Exporter)] = &[
    ("datadog", Exporter::Datadog),
    ("otlp", Exporter::Otlp),
    ("none", Exporter::None),
];

/// `"datadog"`, `"otlp"` or `"none"`.
pub(super) const EXPORTER: Kind<Exporter> = Kind {
    read: |raw| one_of(raw, EXPORTERS),
    show: |exporter| match exporter {
        Exporter::Datadog => json!("datadog"),
        Exporter::Otlp => json!("otlp"),
        Exporter::None => json!("none"),
    },
    schema: || json!({"enum": ["datadog", "otlp", "none"]}),
};

const EARLY: &[(&str, EarlyReturns)] = &[
    ("auto", EarlyReturns::Auto),
    ("refuse", EarlyReturns::Refuse),
    ("admit", EarlyReturns::Admit),
];

/// `"auto"`, `"refuse"` or `"admit"`.
pub(super) const EARLY_RETURNS: Kind<EarlyReturns> = Kind {
    read: |raw| one_of(raw, EARLY),
    show: |early| match early {
        EarlyReturns::Auto => json!("auto"),
        EarlyReturns::Refuse => json!("refuse"),
        EarlyReturns::Admit => json!("admit"),
    },
    schema: || json!({"enum": ["auto", "refuse", "admit"]}),
};

const OPENAPIS: &[(&str, OpenApi)] = &[
    ("admin", OpenApi::Admin),
    ("public", OpenApi::Public),
    ("off", OpenApi::Off),
];

/// `"admin"`, `"public"` or `"off"`.
pub(super) const OPENAPI: Kind<OpenApi> = Kind {
    read: |raw| one_of(raw, OPENAPIS),
    show: |openapi| match openapi {
        OpenApi::Admin => json!("admin"),
        OpenApi::Public => json!("public"),
        OpenApi::Off => json!("off"),
    },
    schema: || json!({"enum": ["admin", "public", "off"]}),
};

/// `true`, `false` or `"auto"`.
pub(super) const HTTP2: Kind<Http2> = Kind {
    read: |raw| match raw {
        Raw::Toml(DeValue::Boolean(true)) | Raw::Plain("true") => Ok(Http2::Always),
        Raw::Toml(DeValue::Boolean(false)) | Raw::Plain("false") => Ok(Http2::Never),
        Raw::Toml(DeValue::String(text)) if text == "auto" => Ok(Http2::Auto),
        Raw::Plain("auto") => Ok(Http2::Auto),
        Raw::Toml(DeValue::String(text)) if text == "true" || text == "false" => Err(raw
            .instead("true, false or \"auto\"; true and false without quotes")
            .write(text == "true")),
        Raw::Plain(_) | Raw::Toml(_) => Err(raw.instead("true, false or \"auto\"").default()),
    },
    show: |http2| match http2 {
        Http2::Always => json!(true),
        Http2::Never => json!(false),
        Http2::Auto => json!("auto"),
    },
    schema: || json!({"enum": [true, false, "auto"]}),
};

/// A file's path; `""` is none.
pub(super) const FILE: Kind<Option<PathBuf>> = Kind {
    read: |raw| {
        let text = raw.text("a path of a file")?;
        no_control_characters(text)?;
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    },
    show: |path| json!(path.as_deref().map_or("".into(), Path::to_string_lossy)),
    schema: || json!({"type": "string"}),
};

/// The name in a server's certificate; `""` is the host of the address.
pub(super) const SERVER_NAME: Kind<Option<String>> = Kind {
    read: |raw| {
        let text = raw.text("a host name")?;
        if text.is_empty() {
            return Ok(None);
        }
        match rustls::pki_types::ServerName::try_from(text) {
            Ok(_) => Ok(Some(text.to_owned())),
            Err(_) => Err(Problem::new(format!("{text:?} is not a host name")).help(
                "write the name that the server's certificate is for, such as \"pricing.internal\"",
            )),
        }
    },
    show: |name| json!(name.as_deref().unwrap_or_default()),
    schema: || json!({"type": "string"}),
};

/// 429 or 503.
pub(super) const STATUS: Kind<ShedStatus> = Kind {
    read: |raw| match raw.integer(0, 999)? {
        429 => Ok(ShedStatus::TooManyRequests),
        503 => Ok(ShedStatus::ServiceUnavailable),
        other => Err(
            Problem::new(format!("load is refused with 429 or 503, not with {other}"))
                .write(if other >= 500 { 503 } else { 429 }),
        ),
    },
    show: |status| match status {
        ShedStatus::TooManyRequests => json!(429),
        ShedStatus::ServiceUnavailable => json!(503),
    },
    schema: || json!({"enum": [429, 503]}),
};
