//! What one listener heard of one sender: every message once, in order, none missing.

use crate::engine::Stage;
use crate::measure::{Metric, Nanos};

/// Messages are numbered 1, 2, 3 …; the last 128 are remembered one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    highest: u32,
    distinct: u32,
    /// Bit i: `highest - i` was heard.
    recent: u128,
}

/// What hearing a message comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// The next, or one behind a gap.
    New,
    /// New, but a later one was heard before.
    Late,
    /// Heard before.
    Twice,
}

impl Stream {
    /// A message was heard.
    pub(super) fn take(&mut self, number: u32) -> Take {
        if number > self.highest {
            let step = number - self.highest;
            self.recent = if step < u128::BITS { self.recent << step | 1 } else { 1 };
            self.highest = number;
            self.distinct += 1;
            return Take::New;
        }
        let back = self.highest - number;
        let Some(bit) = 1u128.checked_shl(back) else {
            // Too long ago to tell from a repetition; a late one is what it most likely is.
            self.distinct += 1;
            return Take::Late;
        };
        if self.recent & bit != 0 {
            return Take::Twice;
        }
        self.recent |= bit;
        self.distinct += 1;
        Take::Late
    }

    /// Different messages heard.
    pub(super) fn distinct(&self) -> u32 {
        self.distinct
    }
}

impl Take {
    /// Counts a push and what it says of its sender's order, and records how long it took if it is a new one, which is
    /// the answer.
    pub(super) fn account(self, stage: &mut Stage<'_>, intended: Nanos) -> bool {
        let accounts = &mut stage.accounts;
        match self {
            Self::Twice => accounts.doubled += 1,
            Self::New => accounts.pushed += 1,
            Self::Late => {
                accounts.pushed += 1;
                accounts.out_of_order += 1;
            }
        }
        let new = self != Self::Twice;
        if new {
            stage.record(Metric::Push, intended);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repetitions_and_late_ones_are_told_apart() {
        let mut stream = Stream::default();
        let takes = [1, 2, 4, 3, 3, 4, 5, 500, 499, 5].map(|number| stream.take(number));
        use Take::{Late, New, Twice};
        assert_eq!(takes, [New, New, New, Late, Twice, Twice, New, New, Late, Late]);
        let mut whole = Stream::default();
        assert!((1..=1000).all(|number| whole.take(number) == New));
        assert_eq!(whole.distinct(), 1000);
    }
}
