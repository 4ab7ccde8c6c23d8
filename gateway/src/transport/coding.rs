//! Content codings of bodies that come encoded although none was asked for.
//!
//! Some servers and middleboxes encode whatever they send. Such a body is decoded under the
//! same limit as any other: what counts is the decoded bytes, and decoding stops at the first
//! one too many, so a small body that unfolds to a huge one costs no more than the limit.

use std::io::{self, Read};

use bytes::Bytes;

/// What a body is encoded with (RFC 9110 section 8.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not at all.
    #[default]
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950; bare RFC 1951 is sent under this name too, and accepted.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// Something else, or several.
    Unsupported,
}

/// Why a body was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecodeError {
    /// Its coding is not one of those above.
    Unsupported,
    /// It is not encoded as it says.
    Broken,
    /// Decoded, it is larger than the limit.
    TooLarge,
}

impl Coding {
    /// Takes in a `Content-Encoding`. What names no coding is none: `identity` does by its
    /// definition, the others are seen in the wild on bodies that are not encoded.
    pub(super) fn add(&mut self, value: &[u8]) {
        members(value).for_each(|member| self.add_member(member));
    }

    fn add_member(&mut self, member: &[u8]) {
        let is = |name: &str| member.eq_ignore_ascii_case(name.as_bytes());
        if ["identity", "none", "utf-8", "utf8"].into_iter().any(is) {
            return;
        }
        let coding = if is("gzip") || is("x-gzip") {
            Self::Gzip
        } else if is("deflate") {
            Self::Deflate
        } else if is("br") {
            Self::Brotli
        } else {
            Self::Unsupported
        };
        *self = match self {
            Self::Identity => coding,
            Self::Gzip | Self::Deflate | Self::Brotli | Self::Unsupported => Self::Unsupported,
        };
    }

    /// The body without its coding, of at most `max` bytes.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub(super) fn decode(self, body: Bytes, max: usize) -> Result<Bytes, DecodeError> {
        let encoded = body.as_ref();
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => unfold(flate2::read::MultiGzDecoder::new(encoded), max),
            Self::Deflate => match unfold(flate2::read::ZlibDecoder::new(encoded), max) {
                Err(DecodeError::Broken) => unfold(flate2::read::DeflateDecoder::new(encoded), max),
                decoded => decoded,
            },
            Self::Brotli => unfold(brotli_decompressor::Decompressor::new(encoded, 4096), max),
            Self::Unsupported => Err(DecodeError::Unsupported),
        }
    }
}

/// The members of a comma-separated list; empty ones do not count (RFC 9110 section 5.6.1).
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&byte| byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// Reads one byte more than allowed, and no further.
fn unfold(mut decoder: impl Read, max: usize) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    let mut piece = [0; 8 * 1024];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Ok(decoded.into()),
            Ok(read) if read > max - decoded.len() => return Err(DecodeError::TooLarge),
            Ok(read) => decoded.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(DecodeError::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(body: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap().into()
    }

    fn of(value: &str) -> Coding {
        let mut coding = Coding::default();
        coding.add(value.as_bytes());
        coding
    }

    #[test]
    fn what_names_no_coding_is_none() {
        for value in ["", "identity", "identity, ", "none", "UTF-8"] {
            assert_eq!(of(value), Coding::Identity, "{value:?}");
        }
    }

    #[test]
    fn one_coding_is_known_by_its_name_and_several_are_too_many() {
        assert_eq!(of("GZip"), Coding::Gzip);
        assert_eq!(of("identity, x-gzip"), Coding::Gzip);
        assert_eq!(of("deflate"), Coding::Deflate);
        assert_eq!(of("br"), Coding::Brotli);
        for value in ["gzip, br", "gzip, gzip", "zstd", "compress"] {
            assert_eq!(of(value), Coding::Unsupported, "{value:?}");
        }
    }

    #[test]
    fn each_coding_is_decoded() {
        let body = br#"{"a":1}"#.repeat(50);
        let zlib = {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&body).unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        let bare = zlib.slice(2..zlib.len() - 4);
        // `printf '{"a":1}' | brotli`, which stores so short a text as it is.
        let brotli = Bytes::from_static(b"\x0b\x03\x80{\"a\":1}\x03");
        for (coding, encoded) in [
            (Coding::Gzip, gzip(&body)),
            (Coding::Deflate, zlib),
            (Coding::Deflate, bare),
        ] {
            assert_eq!(coding.decode(encoded, body.len()).unwrap(), body);
        }
        assert_eq!(Coding::Brotli.decode(brotli, 100).unwrap(), r#"{"a":1}"#);
    }

    #[test]
    fn the_limit_counts_decoded_bytes() {
        let body = vec![b' '; 100_000];
        let encoded = gzip(&body);
        assert!(encoded.len() < 1000);
        assert_eq!(
            Coding::Gzip.decode(encoded.clone(), 99_999),
            Err(DecodeError::TooLarge)
        );
        assert_eq!(Coding::Gzip.decode(encoded, 100_000).unwrap(), body);
    }

    #[test]
    fn a_body_that_is_not_what_it_says_is_broken() {
        let encoded = gzip(b"{\"a\":1}");
        for (coding, body) in [
            (Coding::Gzip, Bytes::from_static(b"{}")),
            (Coding::Gzip, encoded.slice(..encoded.len() - 1)),
            (Coding::Deflate, Bytes::from_static(b"{}")),
            (Coding::Brotli, Bytes::from_static(b"{}")),
        ] {
            assert_eq!(coding.decode(body, 100), Err(DecodeError::Broken));
        }
        let other = Coding::Unsupported.decode(Bytes::new(), 100);
        assert_eq!(other, Err(DecodeError::Unsupported));
    }
}
