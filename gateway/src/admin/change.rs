//! What operators change: they reload the file, and override keys for a while.
//!
//! A change is passed on to whoever owns the configuration in force, one after the other, and
//! answered when it is made or refused. Always holds: a change that is refused has changed
//! nothing, and its answer has all that is wrong with it, with places.
//!
//! Not here: how a configuration comes into force (see [`crate::app`]), how long an override lasts
//! (see [`crate::overrides`]).

mod answer;
mod in_force;
mod request;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

pub(super) use self::answer::answered;
pub use self::in_force::InForce;
pub(super) use self::request::{read_key, read_set};
use crate::config::{Difference, Override, Report};

/// Changes that wait for others to be made. Each waits for one request, of which there are no more
/// than connections of operators.
const WAITING: usize = 64;

/// A change that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Read the file again.
    Reload,
    /// Override a key.
    Set {
        /// The key, and its value as it was written.
        over: Override,
        /// For how long.
        lasts: Duration,
    },
    /// End an override.
    Unset {
        /// Of this key.
        key: String,
    },
}

/// A change that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Made {
    /// What is different now.
    pub differences: Vec<Difference>,
    /// Overrides that the new file cannot be used with, and that have ended for it.
    pub dropped: Vec<String>,
}

/// Why a change was not made.
#[derive(Clone, Debug)]
pub enum Refused {
    /// The configuration cannot be used with it.
    Unusable(Report),
    /// These keys cannot be changed while the gateway runs, each with the reason why.
    NotLive(Vec<(String, &'static str)>),
    /// Anything else that is in the way, in words.
    Impossible(String),
    /// There is no override of this key.
    NotSet(String),
    /// What was sent says nothing that could be done, in words.
    Malformed(String),
    /// The gateway is ending.
    Ending,
}

/// A change and whoever waits for it.
pub type Asked = (Change, oneshot::Sender<Result<Made, Refused>>);

/// Asks for changes, and sees what is in force.
#[derive(Clone, Debug)]
pub struct Changes {
    asked: mpsc::Sender<Asked>,
    in_force: watch::Receiver<Arc<InForce>>,
}

impl Changes {
    /// Whoever asks for changes, and where they are received.
    #[must_use]
    pub fn new(in_force: watch::Receiver<Arc<InForce>>) -> (Self, mpsc::Receiver<Asked>) {
        let (asked, receiver) = mpsc::channel(WAITING);
        (Self { asked, in_force }, receiver)
    }

    /// What is in force now.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Asks for a change, and waits for it. Whoever stops waiting does not take it back.
    ///
    /// # Errors
    /// [`Refused`]; nothing has changed then.
    pub async fn ask(&self, change: Change) -> Result<Made, Refused> {
        let (sender, made) = oneshot::channel();
        let sent = self.asked.send((change, sender)).await;
        sent.map_err(|_| Refused::Ending)?;
        made.await.map_err(|_| Refused::Ending)?
    }
}
