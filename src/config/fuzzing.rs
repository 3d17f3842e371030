//! The door for the fuzz target of the configuration file.

use super::{Catalogue, file, load};

/// Reads a text as a configuration file, without touching any other file. Each complaint must be readable.
///
/// # Panics
/// When that does not hold: the target has found something.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let catalogue = Catalogue::new();
    let layer = file::read(&file::Found::of_text(text), &catalogue);
    for problem in load::judged(layer, &catalogue) {
        assert!(!problem.to_string().is_empty(), "a complaint says something");
    }
}
