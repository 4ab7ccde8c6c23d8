//! A scenario: hardship as data, checked once and bound to the config it is run with.
//!
//! What always holds: every page and downstream named here is one of the config; behaviours make
//! sense; windows lie inside the length; each expectation bounds a figure in that figure's unit.
//! The shape of the file is in `file`; how it is run is not here: the same scenario is played in
//! simulated time and on sockets.

mod behaviour;
mod costs;
mod definition;
mod expectation;
mod fault;
mod file;
mod load;
mod overrides;
mod schema;
mod services;
mod shipped;
mod text;
mod visit;

use settings::report::Report;

pub use self::behaviour::Change;
pub use self::costs::Costs;
pub use self::definition::{Arm, Scenario};
pub use self::expectation::{Expectation, Window};
pub use self::fault::Fault;
pub use self::load::{Backoff, Client, Demand, Load, Retries};
pub use self::schema::json_schema;
pub(crate) use self::services::services;
pub use self::shipped::SHIPPED;
pub use self::text::Text;
pub(crate) use self::visit::{RetryBudget, Visit};

impl Scenario {
    /// Reads a scenario, to be run with the config `base` and the scenario's overrides on top.
    ///
    /// # Errors
    /// All that is wrong with the config, or else all that is wrong with the scenario.
    pub fn load(scenario: &Text, base: &Text) -> Result<Self, Report> {
        let (config, text) = overrides::apply(scenario, base)?;
        file::read(scenario, config, text)
    }
}
