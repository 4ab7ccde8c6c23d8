//! `[server.tls]`: TLS towards clients.

use serde_json::json;

use crate::config::key::key;
use crate::config::kinds::{FILE, Kind, one_of};
use crate::config::problem::Problem;
use crate::config::reader::Section;
use crate::config::{ClientAuth, ServerTls};

const CLIENT_AUTHS: &[(&str, ClientAuth)] = &[
    ("none", ClientAuth::None),
    ("optional", ClientAuth::Optional),
    ("required", ClientAuth::Required),
];

/// `"none"`, `"optional"` or `"required"`.
const CLIENT_AUTH: Kind<ClientAuth> = Kind {
    read: |raw| one_of(raw, CLIENT_AUTHS),
    show: |auth| match auth {
        ClientAuth::None => json!("none"),
        ClientAuth::Optional => json!("optional"),
        ClientAuth::Required => json!("required"),
    },
    schema: || json!({"enum": ["none", "optional", "required"]}),
};

/// Takes `[server.tls]`; without a certificate it is no TLS.
pub(super) fn tls(s: &mut Section<'_, '_>) -> Option<Option<ServerTls>> {
    let cert = s.take(key("cert", FILE, "").about(
        "PEM file of the certificate, and of those that lead to its authority; \"\": no TLS.",
    ));
    let private = s.take(key("key", FILE, "").about("PEM file of its private key."));
    let client_ca = s.take(
        key("client_ca", FILE, "")
            .about("PEM file of the authorities that sign clients' certificates."),
    );
    let client_auth = s.take(key("client_auth", CLIENT_AUTH, "none").about(
        "Whether clients show a certificate: \"none\" is asked for, \"optional\" or \"required\".",
    ));
    let (cert, private, client_ca, client_auth) = (cert?, private?, client_ca?, client_auth?);
    let mut wrong = |name, what, help| {
        s.wrong(name, Problem::new(what).help(help));
        None
    };
    let Some(cert) = cert else {
        if private.is_some() || client_ca.is_some() || client_auth != ClientAuth::None {
            let what = "is not there, and without it there is no TLS";
            return wrong(
                "cert",
                what,
                "name its file, or remove the other keys of the section",
            );
        }
        return Some(None);
    };
    let Some(private) = private else {
        return wrong(
            "key",
            "is not there, and the certificate is worth nothing without it",
            "name the file of its private key",
        );
    };
    let clients = match (client_ca, client_auth) {
        (None, ClientAuth::None) => None,
        (Some(_), ClientAuth::None) => {
            return wrong(
                "client_ca",
                "has no effect: clients are asked for no certificate",
                "write `client_auth = \"required\"` or \"optional\", or remove this",
            );
        }
        (None, ClientAuth::Optional | ClientAuth::Required) => {
            return wrong(
                "client_ca",
                "is not there, so that no client's certificate would be good",
                "name the file of the authorities that sign them",
            );
        }
        (Some(ca), auth) => Some((ca, auth)),
    };
    match ServerTls::read(cert, private, clients) {
        Ok(tls) => Some(Some(tls)),
        Err((key, problem)) => {
            s.wrong(key, problem);
            None
        }
    }
}
