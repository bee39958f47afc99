//! The order in which lanes take turns: by virtual time, for each level apart.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::lane::LaneKey;
use crate::priority::Priority;

/// What one turn of a lane of weight 1 takes of virtual time. All weights to 10 divide it.
const WHOLE_TURN: u64 = 10_080;

/// A lane that was served last so long ago is new when it comes to wait.
pub(super) const REMEMBERED: Duration = Duration::from_secs(60);

const LEVELS: usize = Priority::HIGHEST.level() as usize + 1;

/// Which lane it is; `None` are the jobs without one, which go before all others of their tag.
pub(super) type Key = Option<LaneKey>;

/// The lanes that wait.
#[derive(Debug, Default)]
pub(super) struct Ring {
    order: BTreeSet<(Reverse<Priority>, u64, Key)>,
    held_up: BTreeSet<(Timestamp, Key)>,
    virtual_time: [u64; LEVELS],
}

/// What the ring knows of one lane. Whoever owns the lane keeps it.
#[derive(Debug, Default)]
pub(super) struct Turn {
    spot: Spot,
    level: Priority,
    tag: u64,
    served_at: Option<Timestamp>,
}

/// Where a lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spot {
    /// It has no job to lease.
    #[default]
    Out,
    /// Its turn comes.
    InOrder,
    /// It may not have its first job leased before then.
    HeldUp(Timestamp),
}

/// Held up by what is no matter of time.
pub(super) const NO_TIME: Timestamp = Timestamp::from_millis(u64::MAX);

impl Ring {
    /// The lane whose turn it is.
    pub(super) fn first(&self) -> Option<&Key> {
        self.order.first().map(|(_, _, key)| key)
    }

    /// The lane held up that comes back first, with its time.
    pub(super) fn first_held_up(&self) -> Option<&(Timestamp, Key)> {
        self.held_up.first()
    }

    /// Counts a turn for a lane of the order, which stays in it.
    pub(super) fn serve(&mut self, key: &Key, turn: &mut Turn, weight: u16, now: Timestamp) {
        self.order.remove(&turn.entry(key));
        self.virtual_time[usize::from(turn.level.level())] = turn.tag;
        turn.tag += length(weight);
        turn.served_at = Some(now);
        self.order.insert(turn.entry(key));
    }

    /// Takes a lane out of the order until then.
    pub(super) fn hold_up(&mut self, key: &Key, turn: &mut Turn, until: Timestamp) {
        self.leave(key, turn);
        self.held_up.insert((until, key.clone()));
        turn.spot = Spot::HeldUp(until);
    }

    /// Takes a lane that is held up back into the order.
    pub(super) fn take_back(&mut self, key: &Key, turn: &mut Turn) {
        if let Spot::HeldUp(_) = turn.spot {
            self.leave(key, turn);
            turn.tag = turn.tag.max(self.virtual_time_at(turn.level));
            self.enter(key, turn);
        }
    }

    /// Puts a lane where it belongs now that its first job is of this `level`, or that it has none.
    pub(super) fn place(
        &mut self,
        key: &Key,
        turn: &mut Turn,
        level: Option<Priority>,
        weight: u16,
        now: Timestamp,
    ) {
        let Some(level) = level else {
            return self.leave(key, turn);
        };
        let has_waited = turn.spot != Spot::Out;
        if has_waited && turn.level == level {
            return;
        }
        self.leave(key, turn);
        let is_known =
            has_waited || turn.served_at.is_some_and(|served| now.since(served) < REMEMBERED);
        let present = self.virtual_time_at(level);
        turn.tag = match is_known {
            false => present,
            true if turn.level == level => turn.tag.max(present),
            true => present + length(weight),
        };
        turn.level = level;
        self.enter(key, turn);
    }

    /// Takes a lane out of the order, or from those held up.
    pub(super) fn leave(&mut self, key: &Key, turn: &mut Turn) {
        match turn.spot {
            Spot::Out => {}
            Spot::InOrder => {
                self.order.remove(&turn.entry(key));
            }
            Spot::HeldUp(until) => {
                self.held_up.remove(&(until, key.clone()));
            }
        }
        turn.spot = Spot::Out;
    }

    fn enter(&mut self, key: &Key, turn: &mut Turn) {
        self.order.insert(turn.entry(key));
        turn.spot = Spot::InOrder;
    }

    fn virtual_time_at(&self, level: Priority) -> u64 {
        self.virtual_time[usize::from(level.level())]
    }
}

impl Turn {
    pub(super) const fn spot(&self) -> Spot {
        self.spot
    }

    pub(super) const fn served_at(&self) -> Option<Timestamp> {
        self.served_at
    }

    fn entry(&self, key: &Key) -> (Reverse<Priority>, u64, Key) {
        (Reverse(self.level), self.tag, key.clone())
    }
}

fn length(weight: u16) -> u64 {
    WHOLE_TURN / u64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const LOW: Priority = Priority::DEFAULT;
    const HIGH: Priority = Priority::HIGHEST;

    fn key(name: &str) -> Key {
        Some(LaneKey::new(name).unwrap())
    }

    /// A ring of lanes that wait at the lowest level, with what they weigh.
    fn ring(weights: &[u16]) -> (Ring, Vec<(Key, u16, Turn)>) {
        let mut ring = Ring::default();
        let lanes = weights.iter().enumerate().map(|(n, weight)| {
            let (key, mut turn) = (key(&n.to_string()), Turn::default());
            ring.place(&key, &mut turn, Some(LOW), *weight, NOW);
            (key, *weight, turn)
        });
        let lanes = lanes.collect();
        (ring, lanes)
    }

    fn serve(ring: &mut Ring, lanes: &mut [(Key, u16, Turn)]) -> String {
        let first = ring.first().unwrap().clone();
        let (key, weight, turn) = lanes.iter_mut().find(|(key, ..)| *key == first).unwrap();
        ring.serve(key, turn, *weight, NOW);
        key.as_ref().unwrap().to_string()
    }

    #[test]
    fn lanes_of_equal_weight_take_turns() {
        let (mut ring, mut lanes) = ring(&[1, 1, 1]);

        let served: String = (0..7).map(|_| serve(&mut ring, &mut lanes)).collect();
        assert_eq!(served, "0120120");
    }

    #[test]
    fn a_lane_gets_turns_by_its_weight() {
        let (mut ring, mut lanes) = ring(&[1, 2, 4]);

        let served: Vec<String> = (0..700).map(|_| serve(&mut ring, &mut lanes)).collect();
        for (lane, turns) in [("0", 100), ("1", 200), ("2", 400)] {
            assert_eq!(served.iter().filter(|served| *served == lane).count(), turns, "{lane}");
        }
    }

    #[test]
    fn a_new_lane_is_next_after_a_round() {
        let (mut ring, mut lanes) = ring(&[1, 1]);
        (0..10).for_each(|_| drop(serve(&mut ring, &mut lanes)));
        let (late, mut turn) = (key("late"), Turn::default());
        ring.place(&late, &mut turn, Some(LOW), 1, NOW);

        assert_eq!(ring.first(), Some(&late));
    }

    #[test]
    fn a_lane_gains_nothing_by_going_away_for_a_moment() {
        let (mut ring, mut lanes) = ring(&[1, 1]);
        assert_eq!(serve(&mut ring, &mut lanes), "0");
        let (key, _, turn) = &mut lanes[0];
        ring.place(key, turn, None, 1, NOW);
        ring.place(key, turn, Some(LOW), 1, NOW + REMEMBERED / 2);

        assert_eq!(serve(&mut ring, &mut lanes), "1");
    }

    #[test]
    fn a_lane_gains_nothing_by_changing_its_level() {
        let (mut ring, mut lanes) = ring(&[1, 1]);
        (0..3).for_each(|_| drop(serve(&mut ring, &mut lanes)));
        for level in [HIGH, LOW] {
            let (key, _, turn) = &mut lanes[0];
            ring.place(key, turn, Some(level), 1, NOW);
        }

        assert_eq!(serve(&mut ring, &mut lanes), "1");
    }

    #[test]
    fn a_lane_that_was_held_up_saves_no_turns() {
        let (mut ring, mut lanes) = ring(&[1, 1]);
        let (key, _, turn) = &mut lanes[0];
        ring.hold_up(key, turn, NO_TIME);
        (0..50).for_each(|_| assert_eq!(serve(&mut ring, &mut lanes), "1"));
        let (key, _, turn) = &mut lanes[0];
        ring.take_back(key, turn);

        let served: String = (0..6).map(|_| serve(&mut ring, &mut lanes)).collect();
        assert_eq!(
            served, "001010",
            "its turn is now, and the next one falls together with the other's"
        );
    }
}
