//! What a stub receiver answers.

use serde::Serialize;

/// What to answer to a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// Take it: 204.
    Accept,
    /// Take it, and answer with this status all the same: what a receiver does that dies too late.
    AcceptBut(u16),
    /// Refuse it with this status.
    Status(u16),
    /// Refuse it with this status and this `Retry-After`.
    RetryAfter(u16, String),
    /// Send it elsewhere, with 307.
    Redirect(String),
    /// Refuse it with 400, and go on talking for ever.
    Flood,
    /// Take it, and never answer.
    Hang,
    /// Take it, and answer once those that are held are let go.
    Hold,
}

impl Answer {
    /// Whether the receiver has the message after that.
    #[must_use]
    pub const fn is_taken(&self) -> bool {
        matches!(self, Self::Accept | Self::AcceptBut(_) | Self::Hang | Self::Hold)
    }
}

/// How many of 1,000 deliveries go wrong, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Chances {
    /// What they follow from.
    pub seed: u64,
    /// Refused with 500.
    pub fail: u32,
    /// Taken, and answered with 500.
    pub lose: u32,
    /// Refused with 503 and a `Retry-After` of a second.
    pub busy: u32,
    /// Taken, and never answered.
    pub hang: u32,
    /// Refused with 422.
    pub refuse: u32,
}

impl Chances {
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Answer {
        let mut drawn = random.u32(0..1_000);
        for (share, answer) in [
            (self.fail, Answer::Status(500)),
            (self.lose, Answer::AcceptBut(500)),
            (self.busy, Answer::RetryAfter(503, "1".to_owned())),
            (self.hang, Answer::Hang),
            (self.refuse, Answer::Status(422)),
        ] {
            if drawn < share {
                return answer;
            }
            drawn -= share;
        }
        Answer::Accept
    }
}
