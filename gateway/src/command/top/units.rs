//! Numbers as people read them, each with its unit.

/// Per second: `40.0`, `1250`.
pub(super) fn rate(per_s: f64) -> String {
    match per_s {
        per_s if per_s >= 999.5 => format!("{per_s:.0}"),
        per_s => format!("{per_s:.1}"),
    }
}

/// `now`, `12 s ago`, `3 min ago`: of an instant beside another, both in milliseconds since 1970.
pub(super) fn ago(at_ms: u64, now_ms: u64) -> String {
    match now_ms.saturating_sub(at_ms) / 1000 {
        0..=1 => "now".into(),
        seconds @ 2..90 => format!("{seconds} s ago"),
        seconds @ 90..5400 => format!("{} min ago", (seconds + 30) / 60),
        seconds => format!("{:.1} h ago", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::waterfall::time;

    #[test]
    fn every_number_has_as_many_digits_as_say_something() {
        let times = [0.34, 9.96, 275.4, 999.6, 1500.0, -40.2].map(|ms| time(Some(ms)));
        assert_eq!(
            times,
            ["0.3 ms", "10 ms", "275 ms", "1.00 s", "1.50 s", "-40 ms"]
        );
        assert_eq!(time(None), "-");
        assert_eq!([0.04, 59.96, 1249.7].map(rate), ["0.0", "60.0", "1250"]);
        let agos = [0, 1, 2, 89, 90, 5399, 5400].map(|s| ago(1_000, 1_000 + 1000 * s));
        let expected = [
            "now",
            "now",
            "2 s ago",
            "89 s ago",
            "2 min ago",
            "90 min ago",
            "1.5 h ago",
        ];
        assert_eq!(agos, expected);
    }
}
