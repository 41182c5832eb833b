//! Which part of a sorted list a view shows (draft-ietf-ldapext-ldapv3-vlv-09 §5).

use super::request::{ListView, ViewProblem, ViewReport, ViewTarget};

/// A view that was asked for.
pub(super) struct View {
    before: usize,
    after: usize,
    pub(super) target: Target,
}

/// What a view is about.
pub(super) enum Target {
    AtLeast(Vec<u8>),
    Offset { offset: i64, count: i64 },
}

impl View {
    pub(super) fn of(view: &ListView<'_>) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let target = match view.target {
            ViewTarget::AtLeast(value) => Target::AtLeast(value.to_owned()),
            ViewTarget::Offset { offset, count } => Target::Offset { offset, count },
        };
        Self { before: count(view.before), after: count(view.after), target }
    }

    /// The ranks from 0 that it shows around a target, of `count` entries.
    pub(super) fn around(&self, position: usize, count: usize) -> (std::ops::Range<usize>, ViewReport) {
        let rank = position.saturating_sub(1);
        let range = rank.saturating_sub(self.before)..rank.saturating_add(1).saturating_add(self.after).min(count);
        (range, ViewReport { position, count, problem: None, list: None })
    }

    /// What says why there is none.
    pub(super) const fn none(count: usize, problem: ViewProblem) -> (std::ops::Range<usize>, ViewReport) {
        (0..0, ViewReport { position: 0, count, problem: Some(problem), list: None })
    }
}

/// The rank from 1 that an offset means in a list of `length`, where the client takes it for one of `count` (draft §5).
pub(super) fn offset_of(offset: i64, count: i64, length: usize) -> Result<usize, ViewProblem> {
    const MOST: i64 = i32::MAX as i64;
    let here = i64::try_from(length).unwrap_or(MOST);
    if !(1..=MOST).contains(&offset) || !(0..=MOST).contains(&count) || (count > 0 && offset > count) {
        return Err(ViewProblem::OffsetRange);
    }
    let target = match (offset, count) {
        _ if here == 0 => 0,
        (offset, 0) if offset > here => return Err(ViewProblem::OffsetRange),
        (offset, 0) => offset,
        (offset, count) if offset == count => here,
        (1, _) => 1,
        // Rounded to the nearest.
        (offset, count) => {
            let (exact, count) = (i128::from(here) * i128::from(offset), i128::from(count));
            i64::try_from((exact * 2 + count) / (count * 2)).unwrap_or(here).clamp(1, here)
        }
    };
    Ok(usize::try_from(target).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_a_view_are_ratios() {
        for (offset, count, length, rank) in [
            (1, 0, 10, Some(1)),
            (7, 0, 10, Some(7)),
            (11, 0, 10, None),
            (1, 5, 10, Some(1)),
            (5, 5, 10, Some(10)),
            (1, 1, 10, Some(10)),
            (50, 100, 10, Some(5)),
            (6, 5, 10, None),
            (0, 0, 10, None),
            (-1, 5, 10, None),
            (1, -1, 10, None),
            (i64::from(i32::MAX), i64::from(i32::MAX), 3, Some(3)),
            (i64::from(i32::MAX) - 1, i64::from(i32::MAX), 3, Some(3)),
            (i64::from(i32::MAX) + 1, i64::from(i32::MAX) + 1, 3, None),
            (i64::MAX, 0, 3, None),
            (4, 9, 0, Some(0)),
        ] {
            assert_eq!(offset_of(offset, count, length).ok(), rank, "{offset} of {count} in {length}");
        }
    }
}
