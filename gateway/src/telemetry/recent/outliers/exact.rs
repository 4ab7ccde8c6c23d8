//! Fisher's exact test, and how many may be made at once: pure arithmetic.
//!
//! R. A. Fisher, "The Design of Experiments" (1935), chapter II. R. E. Tarone, "A modified Bonferroni
//! method for discrete data", Biometrics 46 (1990), 515-522: a trait that could not be significant
//! however it fell needs no correction for its being looked at.

/// Logarithms of factorials up to a number.
#[derive(Debug)]
pub(super) struct Factorials(Vec<f64>);

impl Factorials {
    pub(super) fn up_to(most: usize) -> Self {
        let mut logs = vec![0.0; most + 1];
        for number in 1..=most {
            logs[number] = logs[number - 1] + (number as f64).ln();
        }
        Self(logs)
    }

    fn choose(&self, of: usize, some: usize) -> f64 {
        self.0[of] - self.0[some] - self.0[of - some]
    }
}

/// Cases and others, of which some have a trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) cases: usize,
    pub(super) others: usize,
    pub(super) cases_with: usize,
    pub(super) others_with: usize,
}

impl Table {
    fn with(self) -> usize {
        self.cases_with + self.others_with
    }

    /// How likely it is that at least as many cases have the trait, if it has nothing to do with
    /// being one (one-sided).
    pub(super) fn p(self, logs: &Factorials) -> f64 {
        let most = self.cases.min(self.with());
        let tail = (self.cases_with..=most).map(|cases_with| self.exactly(cases_with, logs));
        tail.sum::<f64>().min(1.0)
    }

    /// The smallest that this could be, with as many that have the trait.
    pub(super) fn least_p(self, logs: &Factorials) -> f64 {
        self.exactly(self.cases.min(self.with()), logs)
    }

    fn exactly(self, cases_with: usize, logs: &Factorials) -> f64 {
        let (all, with) = (self.cases + self.others, self.with());
        let without = all - with;
        let cases_without = self.cases - cases_with;
        if cases_without > without {
            return 0.0;
        }
        let log = logs.choose(with, cases_with) + logs.choose(without, cases_without)
            - logs.choose(all, self.cases);
        log.exp()
    }
}

/// By how much `level` is to be divided so that of all traits together, if none has anything to
/// do with it, one is named in no more than that share of looks. `least` are their
/// smallest possible values.
pub(super) fn correction(least: &[f64], level: f64) -> usize {
    let could = |by: usize| {
        least
            .iter()
            .filter(|least| **least <= level / by as f64)
            .count()
    };
    (1..=least.len().max(1))
        .find(|&by| could(by) <= by)
        .unwrap_or(least.len().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(cases: usize, others: usize, cases_with: usize, others_with: usize) -> Table {
        Table {
            cases,
            others,
            cases_with,
            others_with,
        }
    }

    #[test]
    fn the_lady_tasting_tea_is_as_fisher_has_it() {
        let logs = Factorials::up_to(8);
        let close = |p: f64, expected: f64| assert!((p - expected).abs() < 1e-12, "{p}");
        close(table(4, 4, 4, 0).p(&logs), 1.0 / 70.0);
        close(table(4, 4, 3, 1).p(&logs), 17.0 / 70.0);
        close(table(4, 4, 0, 4).p(&logs), 1.0);
        close(table(4, 4, 3, 1).least_p(&logs), 1.0 / 70.0);
    }

    #[test]
    fn what_all_have_says_nothing() {
        let logs = Factorials::up_to(500);
        let p = table(100, 400, 100, 400).p(&logs);
        assert!((p - 1.0).abs() < 1e-9, "{p}");
    }

    #[test]
    fn traits_that_could_never_be_significant_cost_the_others_nothing() {
        assert_eq!(correction(&[1e-9, 0.5, 0.5, 0.5], 0.01), 1);
        assert_eq!(correction(&[1e-9; 10], 0.01), 10);
        assert_eq!(correction(&[], 0.01), 1);
    }
}
