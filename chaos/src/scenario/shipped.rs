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
}
