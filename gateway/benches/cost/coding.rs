//! Content codings: how a client asks for one, and takes the page out of it again.

use std::io::Read as _;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// One that the gateway offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Zstd,
    Brotli,
}

impl Coding {
    /// As headers name it.
    pub(crate) fn token(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
        })
    }

    /// The page that `body` is.
    ///
    /// # Errors
    /// The answer with these `headers` is in another coding, or in none.
    pub(crate) fn decode(self, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<Bytes> {
        let named = headers.get(CONTENT_ENCODING).context("is in no coding")?;
        ensure!(named == self.token(), "is in {named:?}");
        let mut page = Vec::new();
        match self {
            Self::Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut page)?,
            Self::Zstd => zstd::Decoder::new(body)?.read_to_end(&mut page)?,
            Self::Brotli => {
                brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut page)?
            }
        };
        Ok(page.into())
    }
}
