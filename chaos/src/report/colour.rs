//! Colours that people with any kind of colour vision can tell apart: those of Okabe and Ito
//! (<https://jfly.uni-koeln.de/color/>), and greys.

use super::series::Ending;

const BLUISH_GREEN: &str = "#009e73";
const SKY_BLUE: &str = "#56b4e9";
const YELLOW: &str = "#f0e442";
const VERMILLION: &str = "#d55e00";
const REDDISH_PURPLE: &str = "#cc79a7";
const ORANGE: &str = "#e69f00";
const BLUE: &str = "#0072b2";
const BLACK: &str = "#000000";
const GREY: &str = "#9a9a9a";

pub(super) const GOOD: &str = BLUISH_GREEN;
pub(super) const P50: &str = BLUE;
pub(super) const P99: &str = VERMILLION;
pub(super) const REFUSED: &str = ORANGE;
pub(super) const SLOWEST: &str = GREY;
pub(super) const IN_FLIGHT: &str = BLUE;
pub(super) const PERMITS: &str = SKY_BLUE;
pub(super) const SIMULATED: &str = SKY_BLUE;
pub(super) const LIVE: &str = BLACK;
pub(super) const QUEUED: &str = VERMILLION;
pub(super) const RUNNING: &str = BLUE;

/// The same ending has the same colour in every plot.
pub(super) fn of(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => BLUISH_GREEN,
        Ending::Partial => SKY_BLUE,
        Ending::TooSlow => YELLOW,
        Ending::Late => VERMILLION,
        Ending::Failed => REDDISH_PURPLE,
        Ending::Shed => ORANGE,
        Ending::Quota => BLUE,
        Ending::Rejected => BLACK,
        Ending::Cancelled => GREY,
    }
}
