//! What is legal and probably not meant of TLS towards clients.

use super::Warnings;
use crate::config::admin::is_for_everybody;
use crate::config::problem::Problem;
use crate::config::server_tls::Validity;

impl Warnings<'_> {
    /// Clients refuse a certificate outside its time, and then there are no pages.
    pub(super) fn tls(&mut self) {
        let Some(tls) = &self.config.server.tls else {
            return;
        };
        let what = match tls.validity() {
            Validity::Good => None,
            Validity::Ended => Some("the certificate has expired: clients refuse it"),
            Validity::NotYet => Some("the certificate is not valid yet: clients refuse it"),
            Validity::EndsSoon => Some("the certificate expires within a week"),
        };
        if let Some(what) = what {
            let help = "renew it in its file: it is taken anew at once, without a restart";
            self.warn("server.tls.cert", Problem::new(what).help(help));
        }
        let key = self.registry.value("server.tls.key");
        let path = key.and_then(serde_json::Value::as_str).unwrap_or_default();
        if is_for_everybody(path.as_ref()) {
            let what = "everybody on this machine may read the key";
            let help = "let its owner and group read it alone: chmod o-r, or defaultMode: 0440 of a mounted secret";
            self.warn("server.tls.key", Problem::new(what).help(help));
        }
    }
}
