//! What spans say that is the same for every page of a configuration: made once, and shared.

use std::collections::VecDeque;
use std::sync::Arc;

use opentelemetry::StringValue;

use super::Dialect;
use crate::telemetry::names::configured::{Configured, PageNames, PartNames};
use crate::telemetry::names::spans as key;

/// Configurations whose texts are kept: the one in force, and one whose last pages are ending.
const KEPT: usize = 2;

/// Those of the configurations whose pages came last.
#[derive(Debug)]
pub(super) struct KnownTexts {
    dialect: Dialect,
    /// The latest first.
    known: VecDeque<(Arc<Configured>, Arc<[PageTexts]>)>,
}

#[derive(Debug)]
pub(super) struct PageTexts {
    pub(super) name: StringValue,
    pub(super) route: StringValue,
    pub(super) parts: Vec<PartTexts>,
}

#[derive(Debug)]
pub(super) struct PartTexts {
    pub(super) span: String,
    pub(super) name: StringValue,
    pub(super) template: StringValue,
    pub(super) downstream: StringValue,
    pub(super) host: StringValue,
    pub(super) port: i64,
    pub(super) required: bool,
}

impl KnownTexts {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            known: VecDeque::with_capacity(KEPT),
        }
    }

    /// Of the configuration with these names, by page and part.
    pub(super) fn of(&mut self, names: &Arc<Configured>) -> Arc<[PageTexts]> {
        let mut known = self.known.iter();
        if let Some((_, texts)) = known.find(|(of, _)| Arc::ptr_eq(of, names)) {
            return Arc::clone(texts);
        }
        let pages = names.pages.iter();
        let texts: Arc<[_]> = pages.map(|page| texts(page, names, self.dialect)).collect();
        self.known.truncate(KEPT - 1);
        self.known
            .push_front((Arc::clone(names), Arc::clone(&texts)));
        texts
    }
}

fn texts(page: &PageNames, names: &Configured, dialect: Dialect) -> PageTexts {
    let part = |part: &PartNames| {
        let downstream = names.downstream(part.downstream);
        PartTexts {
            span: match dialect {
                Dialect::Datadog => key::call_resource(&downstream.name, &part.template),
                Dialect::Otlp => format!("GET {}", downstream.name),
            },
            name: shared(&part.name),
            template: shared(&part.template),
            downstream: shared(&downstream.name),
            host: shared(&downstream.host),
            port: i64::from(downstream.port),
            required: part.required,
        }
    };
    PageTexts {
        name: shared(&page.name),
        route: shared(&page.route),
        parts: page.parts.iter().map(part).collect(),
    }
}

fn shared(text: &str) -> StringValue {
    StringValue::from(Arc::<str>::from(text))
}
