//! Which page a path is, and what else of a request its calls may depend on: its query, and the
//! headers that they carry.

use http::{HeaderMap, HeaderName, Uri};

use crate::config::{Config, Page, PageId};
use crate::page::detached;
use crate::page::refusal::Refusal;

/// All pages' paths.
#[derive(Debug)]
pub struct Routes {
    router: matchit::Router<PageId>,
    forward: Vec<Vec<HeaderName>>,
    /// By [`PageId`].
    reads_query: Vec<bool>,
}

/// A page, and the raw segments of its parameters in the order of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Which page.
    pub page: PageId,
    /// Still percent-encoded.
    pub params: Vec<String>,
}

impl Routes {
    /// The pages of `config`.
    pub fn new(config: &Config) -> Self {
        let mut router = matchit::Router::new();
        for (index, page) in config.pages.iter().enumerate() {
            #[expect(
                clippy::expect_used,
                reason = "the config's check refuses paths that meet"
            )]
            router
                .insert(&page.path.text, PageId(index))
                .expect("paths of pages are disjoint");
        }
        let forward = config
            .pages
            .iter()
            .map(|page| page.forward_headers.clone())
            .collect();
        let reads_query = config.pages.iter().map(Page::reads_query).collect();
        Self {
            router,
            forward,
            reads_query,
        }
    }

    /// Finds the page of a raw path. A parameter is one segment, not empty.
    ///
    /// # Errors
    /// [`Refusal::NoRoute`].
    pub fn find(&self, path: &str) -> Result<Matched, Refusal> {
        let matched = self.router.at(path).map_err(|_| Refusal::NoRoute)?;
        let params = matched
            .params
            .iter()
            .map(|(_, raw)| raw.to_owned())
            .collect();
        Ok(Matched {
            page: *matched.value,
            params,
        })
    }

    /// The raw query, of a page that reads it.
    pub fn query(&self, page: PageId, uri: &Uri) -> Option<Box<str>> {
        let query = uri.query().filter(|_| self.reads_query[page.0]);
        query.map(Box::from)
    }

    /// Copies the headers that the page's calls carry.
    pub fn forward(&self, page: PageId, from: &HeaderMap, to: &mut HeaderMap) {
        for name in &self.forward[page.0] {
            for value in from.get_all(name) {
                to.append(name.clone(), detached(value));
            }
        }
    }
}
