//! The scenarios that come with this crate.

macro_rules! shipped {
    ($($name:literal)*) => {
        /// Name and text of every scenario in `chaos/scenarios`, in the order to read them in.
        pub const SHIPPED: &[(&str, &str)] = &[$((
            $name,
            include_str!(concat!("../../scenarios/", $name, ".toml")),
        ),)*];
    };
}

shipped! {
    "incident-required"
    "incident-optional"
    "incident-unbounded"
    "one-overloaded"
    "all-overloaded"
    "all-overloaded-part-by-part"
    "all-overloaded-parts-at-once"
    "all-overloaded-work-goes-on"
    "all-overloaded-parts-at-once-work-goes-on"
    "one-of-four-short"
    "required-fails-fast"
    "resets"
    "one-hangs"
    "flapping"
    "clients-hang-up"
    "clients-give-up"
    "clients-retry"
    "late-pages-retried"
    "late-pages-within-a-budget"
    "impatience-pays"
    "impatience-does-not-pay"
    "burst-comes-back"
    "slow-readers"
    "burst"
    "bursty-arrivals"
    "contention"
    "contention-too-many-permits"
    "users-wait"
    "client-budgets"
    "work-goes-on"
    "isolation"
    "greedy-client"
    "refused-within-quota"
    "observed"
    "observed-saturated"
    "deploy"
    "newcomer-all-one"
    "newcomer-all-huge"
    "own-cpu-short"
    "own-cpu-returns"
}
