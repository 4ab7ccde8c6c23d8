//! What is claimed, as bounds on what was measured.
//!
//! A bound that this machine misses is shown as missed, and is an error only where `--check`
//! asks for that: other programs may be running.

use std::fmt;

use crate::arms::Arm;
use crate::memory::Memory;
use crate::pages::Figures;

/// One bound. Without a value it could not be measured, and is not kept either.
pub(crate) struct Claim {
    what: &'static str,
    value: Option<f64>,
    most: f64,
    unit: &'static str,
}

/// All of them; those about nginx where it was asked for.
pub(crate) fn claims(pages: &Figures, memory: &Memory, peers: bool) -> Vec<Claim> {
    let ratio = |what, arm, other, most| Claim {
        what,
        value: pages.ratio(arm, other),
        most,
        unit: "",
    };
    let gateway = memory.of(Arm::GATEWAY);
    let kib = |what, bytes: Option<f64>, most| Claim {
        what,
        value: bytes.map(|bytes| bytes / 1024.0),
        most,
        unit: " KiB",
    };
    let mut claims = vec![
        ratio(
            "gateway, telemetry off / bare fan-out",
            Arm::GATEWAY,
            Arm::BARE,
            1.00,
        ),
        ratio(
            "gateway, all telemetry / bare fan-out",
            Arm::EVERYTHING,
            Arm::BARE,
            1.25,
        ),
        ratio(
            "sample = 0.01 / telemetry off",
            Arm::SAMPLED,
            Arm::GATEWAY,
            1.10,
        ),
        ratio(
            "sample = 1.0 / telemetry off",
            Arm::TRACED,
            Arm::GATEWAY,
            1.35,
        ),
        kib(
            "gateway, resident per page in flight",
            gateway.map(|row| row.per_page),
            96.0,
        ),
        kib(
            "gateway, resident per idle pooled connection",
            Some(memory.pooled),
            6.0,
        ),
        kib(
            "gateway, resident per idle client",
            gateway.map(|row| row.per_client),
            20.0,
        ),
    ];
    if peers {
        claims.push(ratio(
            "gateway, telemetry off / nginx + Lua",
            Arm::GATEWAY,
            Arm::NGINX,
            1.25,
        ));
        claims.push(ratio(
            "gateway, all telemetry / nginx + Lua",
            Arm::EVERYTHING,
            Arm::NGINX,
            1.6,
        ));
    }
    claims
}

impl Claim {
    /// Whether it was measured and holds.
    pub(crate) fn is_kept(&self) -> bool {
        self.value.is_some_and(|value| value <= self.most)
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what, most, unit, ..
        } = self;
        match self.value {
            Some(value) => {
                let verdict = if self.is_kept() { "ok" } else { "missed" };
                write!(
                    f,
                    "{verdict}: {what} is {value:.2}{unit}, at most {most:.2}{unit} is allowed"
                )
            }
            None => write!(
                f,
                "not measured: {what}, at most {most:.2}{unit} is allowed"
            ),
        }
    }
}
