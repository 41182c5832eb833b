//! The memory that argon2 works in, kept by the thread that hashes.
//!
//! Taken from the allocator anew for each hash, blocks of many megabytes fall apart with time: something small is put
//! into a freed one, the next hash does not fit and takes another, and a server that only refuses wrong passwords
//! grew by hundreds of megabytes. So each thread of the [pool](super::hash_pool) keeps what it has; it is
//! overwritten by the next hash.

use argon2::{Argon2, Block, Error};
use std::cell::Cell;

/// The most blocks, of 1 KiB each, that a thread keeps; a hash that was imported may need more, and gives them back.
const KEPT: usize = 64 << 10;

thread_local! {
    static MEMORY: Cell<Vec<Block>> = const { Cell::new(Vec::new()) };
}

/// Hashes as [`Argon2::hash_password_into`] does, with its errors, in the memory of this thread.
pub(super) fn hash_into(context: &Argon2<'_>, password: &[u8], salt: &[u8], output: &mut [u8]) -> Result<(), Error> {
    let needed = context.params().block_count();
    let mut memory = MEMORY.take();
    if memory.len() < needed {
        // Given back before more is asked for, so that at no time both are held.
        memory = Vec::new();
        memory.try_reserve_exact(needed).map_err(|_| Error::OutOfMemory)?;
        memory.resize(needed, Block::new());
    }
    let done = context.hash_password_into_with_memory(password, salt, output, memory.get_mut(..needed).unwrap_or_default());
    if memory.len() <= KEPT {
        MEMORY.set(memory);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{Algorithm, Params, Version};

    #[test]
    fn what_is_left_in_memory_changes_no_hash() {
        for (memory, passes, lanes) in [(64, 1, 1), (256, 3, 4), (8, 2, 1), (64, 1, 1), ((KEPT + 8) as u32, 1, 1), (32, 1, 2)] {
            let params = Params::new(memory, passes, lanes, None).unwrap();
            let context = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let (mut ours, mut theirs) = ([0; 32], [0; 32]);
            hash_into(&context, b"password", b"some salt", &mut ours).unwrap();
            context.hash_password_into(b"password", b"some salt", &mut theirs).unwrap();
            assert_eq!(ours, theirs, "m={memory}, t={passes}, p={lanes}");
        }
        let kept = MEMORY.take();
        assert!((1..=KEPT).contains(&kept.len()), "{} blocks are kept", kept.len());
    }
}
