//! Deliberately broken admission: each variant breaks one rule that the suites
//! must notice. Compiled for tests and under the feature `negative-controls`
//! only; nothing here is in a shipped gateway.

use std::sync::Arc;

use super::core::{Class, NegativeControl};
use super::{Admission, Verdict, classes};
use crate::config::{Config, PageId};
use crate::page::deadline::Deadline;

impl Admission {
    /// As [`Admission::new`], with one rule broken on purpose.
    ///
    /// Every part of every page gets a class of its own behind the pages' classes,
    /// which [`NegativeControl::PartByPart`] waits in.
    pub fn broken(config: &Config, control: NegativeControl) -> Arc<Self> {
        let mut all = classes(config);
        let mut max_wait: Vec<_> = config.pages.iter().map(|page| page.max_wait).collect();
        for (class, page) in classes(config).into_iter().zip(&config.pages) {
            for part in class.parts {
                all.push(Class {
                    parts: vec![part],
                    queue_limit: class.queue_limit,
                });
                max_wait.push(page.max_wait);
            }
        }
        let admission = Self::build(config, all, max_wait);
        admission.state.lock().core.break_rule(control);
        Arc::new(admission)
    }

    /// Which rule is broken, if any.
    pub fn control(&self) -> Option<NegativeControl> {
        self.state.lock().core.control()
    }

    pub(super) fn leaks_on_cancel(&self) -> bool {
        self.control() == Some(NegativeControl::LeakOnCancel)
    }

    /// Forgets a verdict nobody heard, permits and all, when that is the rule to break.
    pub(super) fn unless_leaking(&self, unheard: Option<Verdict>) -> Option<Verdict> {
        if self.leaks_on_cancel() {
            std::mem::forget(unheard);
            return None;
        }
        unheard
    }

    pub(super) async fn permits_broken(
        self: &Arc<Self>,
        control: NegativeControl,
        page: PageId,
        deadline: Deadline,
    ) -> Verdict {
        match control {
            NegativeControl::FirstInFirstOut | NegativeControl::LeakOnCancel => {
                self.permits_of_class(page.0, deadline).await
            }
            NegativeControl::WaitOutsideDeadline => {
                self.permits_of_class(page.0, Deadline::NEVER).await
            }
            NegativeControl::PartByPart => self.permits_part_by_part(page, deadline).await,
        }
    }

    async fn permits_part_by_part(self: &Arc<Self>, page: PageId, deadline: Deadline) -> Verdict {
        let pages = self.limits.queues.len();
        let first = pages + self.parts[..page.0].iter().map(Vec::len).sum::<usize>();
        let mut held = Vec::new();
        for part in 0..self.parts[page.0].len() {
            held.extend(self.permits_of_class(first + part, deadline).await?);
        }
        Ok(held)
    }
}
