//! From the text of a file to what was taken from it, or to all that is wrong.

use crate::reader::Section;
use crate::registry::KeyRegistry;
use crate::report::Report;
use crate::syntax;

/// Reads a file: every fault of it at once, each with its line and what to write instead. `read` takes
/// all keys; `header` is a section that such a file may have, for an example.
///
/// # Errors
/// All that is wrong.
pub fn read_text<T>(
    name: &str,
    text: &str,
    header: &str,
    read: impl FnOnce(&mut Section<'_, '_>) -> Option<T>,
) -> Result<T, Report> {
    let (table, faults, readable) = syntax::parse(text, header);
    if !readable {
        return Err(Report::of(name, text, faults));
    }
    let mut registry = KeyRegistry::default();
    registry.faults = faults;
    let mut root = Section::root(&mut registry, table.get_ref());
    root.noun = "key";
    let value = read(&mut root);
    root.finish();
    match value {
        Some(value) if registry.faults.is_empty() => Ok(value),
        _ => Err(Report::of(name, text, registry.faults)),
    }
}
