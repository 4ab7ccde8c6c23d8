//! Lines for DogStatsD, packed into datagrams.
//! <https://docs.datadoghq.com/developers/dogstatsd/datagram_shell/>

use std::io::Write as _;

use crate::text::{push_decimal, push_seconds};

/// Bytes of a datagram: one frame of Ethernet, as Datadog's own clients have it.
const LONGEST: usize = 1432;

/// Bytes that one value may take: `:4294.967295`.
const VALUE: usize = 12;

/// Datagrams of whole lines, none longer than [`LONGEST`] unless one line is.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    full: Vec<Vec<u8>>,
    /// The one that has room for more.
    open: Vec<u8>,
}

impl Datagrams {
    /// So many more of a counter. `tags` begin with `|#` and end the line, here and below.
    pub(super) fn counter(&mut self, name: &str, added: u64, tags: &str) {
        let line = self.line(name, tags);
        line.push(b':');
        push_decimal(line, added);
        line.extend_from_slice(b"|c");
        line.extend_from_slice(tags.as_bytes());
    }

    /// How a gauge stands.
    pub(super) fn gauge(&mut self, name: &str, value: f64, tags: &str) {
        let line = self.line(name, tags);
        // Writing to a vector cannot fail.
        let _ = write!(line, ":{value}|g");
        line.extend_from_slice(tags.as_bytes());
    }

    /// Values of a distribution, in microseconds, out of so many that there were.
    pub(super) fn distribution(&mut self, name: &str, values: &[u32], of: u64, tags: &str) {
        let sampled = values.len() as f64 / of.max(1) as f64;
        let kind = match sampled < 1.0 {
            true => format!("|d|@{sampled}"),
            false => "|d".to_owned(),
        };
        let mut values = values.iter().peekable();
        while values.peek().is_some() {
            let line = self.line(name, tags);
            let most = LONGEST.saturating_sub(VALUE + kind.len() + tags.len());
            for micros in values.by_ref() {
                line.push(b':');
                push_seconds(line, *micros);
                if line.len() > most {
                    break;
                }
            }
            line.extend_from_slice(kind.as_bytes());
            line.extend_from_slice(tags.as_bytes());
        }
    }

    /// Begins a line, in a datagram that has room for it and one value.
    fn line(&mut self, name: &str, tags: &str) -> &mut Vec<u8> {
        // Types and sample rates are shorter than two values; other numbers may be longer.
        if self.open.len() + name.len() + 4 * VALUE + tags.len() > LONGEST {
            self.close();
        }
        self.open.extend_from_slice(name.as_bytes());
        &mut self.open
    }

    /// Those that are full.
    pub(super) fn full(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.full)
    }

    /// Nothing more will be added now.
    pub(super) fn close(&mut self) {
        if !self.open.is_empty() {
            let next = Vec::with_capacity(LONGEST);
            self.full.push(std::mem::replace(&mut self.open, next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: &str = "|#page:product-page,env:test\n";

    fn packed(pack: impl FnOnce(&mut Datagrams)) -> Vec<String> {
        let mut datagrams = Datagrams::default();
        pack(&mut datagrams);
        datagrams.close();
        let full = datagrams.full().into_iter();
        full.map(|bytes| String::from_utf8(bytes).unwrap())
            .collect()
    }

    #[test]
    fn a_line_says_what_was_added_how_it_stands_or_each_value() {
        let all = packed(|to| {
            to.counter("a.b", 20, TAGS);
            to.gauge("c", 0.5, TAGS);
            to.distribution("d", &[0, 1, 15_490, 4_294_967_295], 4, TAGS);
            to.distribution("e", &[], 0, TAGS);
        });
        let tags = TAGS;
        assert_eq!(
            all,
            [format!(
                "a.b:20|c{tags}c:0.5|g{tags}d:0:0.000001:0.01549:4294.967295|d{tags}"
            )]
        );
    }

    #[test]
    fn a_sample_says_what_share_it_is() {
        let all = packed(|to| to.distribution("d", &[1_000_000, 2_000_000], 8, TAGS));
        assert_eq!(all, [format!("d:1:2|d|@0.25{TAGS}")]);
    }

    #[test]
    fn many_values_fill_datagrams_of_whole_lines_and_none_is_lost() {
        let values: Vec<u32> = (0..10_000).map(|n| n * 400_000).collect();
        let all = packed(|to| to.distribution("gateway.page.duration", &values, 10_000, TAGS));
        assert!(all.iter().all(|d| d.len() <= LONGEST && d.ends_with(TAGS)));
        assert!(all[..all.len() - 1].iter().all(|d| d.len() > LONGEST - 100));
        let lines = all.iter().flat_map(|datagram| datagram.lines());
        let told = lines.flat_map(|line| {
            let (head, _) = line.split_once('|').unwrap();
            head.split(':')
                .skip(1)
                .map(|value| value.parse::<f64>().unwrap())
        });
        assert!(told.eq(values.iter().map(|micros| f64::from(*micros) / 1e6)));
    }

    #[test]
    fn a_line_that_is_too_long_is_a_datagram_of_its_own() {
        let tags = format!("|#page:{}\n", "x".repeat(2 * LONGEST));
        let all = packed(|to| {
            to.counter("a", 1, &tags);
            to.distribution("b", &[1, 2], 2, &tags);
        });
        assert_eq!(all.len(), 3);
        assert!(all.iter().all(|datagram| datagram.lines().count() == 1));
    }
}
