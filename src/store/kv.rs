//! The kept state behind a trait, so that the engine can be another and a test can lose power under it.

use std::path::Path;

/// Changes applied in one step: a value to be put, or `None` for a key to be removed.
pub(super) type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What looks at each key and value, and may end the reading with an error.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), String>;

/// An ordered map of octets on disk. The errors are texts for the log; after one the map is not used any more.
pub(super) trait Kv: Send {
    /// All keys in order with their values.
    fn range(&self, each: Each<'_>) -> Result<(), String>;
    /// Applies all or nothing. It lasts after [`Kv::flush`].
    fn apply(&self, batch: Batch) -> Result<(), String>;
    /// Makes everything applied so far last.
    fn flush(&self) -> Result<(), String>;
    /// Octets on disk.
    fn size(&self) -> Result<u64, String>;
}

/// Where a kept state comes from.
pub(super) trait KvEngine: Send + Sync {
    /// Opens the kept state of a store, an empty one where there is none.
    fn open(&self, folder: &Path) -> Result<Box<dyn Kv>, String>;
    /// Puts a damaged one aside; answers its new name, or `None` where there was none.
    fn move_aside(&self, folder: &Path) -> Result<Option<String>, String>;
    /// Removes it.
    fn discard(&self, folder: &Path) -> Result<(), String>;
    /// Opens the one that is made beside it; where `new` an empty one, whatever there was.
    fn open_beside(&self, folder: &Path, new: bool) -> Result<Box<dyn Kv>, String>;
    /// Puts the one beside in its place; neither may be open. After a power cut there is the one or the other, whole.
    fn exchange(&self, folder: &Path) -> Result<(), String>;
    /// Removes what is left of the one beside, and of one that it took the place of.
    fn tidy(&self, folder: &Path) -> Result<(), String>;
}
