//! Schedules that change their queue: they rest until nobody claims in the old one, and go on from there.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jobq_core::schedules::{Change, MarkChange, ScheduleRef};
use jobq_core::{QueueName, Result, ScheduleName};

use super::Runner;
use super::look::CHANGES_AT_ONCE;
use crate::definition::Definition;
use crate::sync::SCHEDULE;

/// How many marks are changed at once.
const MARKS_AT_ONCE: usize = 32;

impl Runner {
    /// Lets schedules go on in their new queues from where they stood in the old ones.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let now = self.now();
        let ready = self.moving.iter().filter(|(_, (_, at))| *at <= now).take(CHANGES_AT_ONCE);
        let mut ready: BTreeMap<ScheduleName, Definition> =
            ready.map(|(name, (definition, _))| (name.clone(), definition.clone())).collect();
        if ready.is_empty() {
            return Ok(());
        }
        let mut left: BTreeMap<QueueName, Vec<ScheduleRef>> = BTreeMap::new();
        for (name, definition) in &ready {
            for old in definition.queues()?.into_iter().skip(1) {
                let schedule = ScheduleRef::new(self.group.clone(), name.clone());
                left.entry(old).or_default().push(schedule);
            }
        }
        let mut pauses = Vec::new();
        for (old, schedules) in &left {
            let marks = self.store.marks(old, schedules).await?;
            for (schedule, mark) in schedules.iter().zip(marks) {
                let (Some(mark), Some(definition)) = (mark, ready.get_mut(&schedule.name)) else {
                    continue;
                };
                definition.came_to = definition.came_to.max(mark.last);
                if mark.paused {
                    pauses.push((definition.plan.queue()?, schedule.clone()));
                }
            }
        }
        self.change_marks(pauses, MarkChange::Pause).await?;
        let settled = ready.into_iter().map(|(name, definition)| {
            let definition = Definition { former: Vec::new(), ..definition };
            Change::Put(format!("{SCHEDULE}{name}"), definition.encode())
        });
        if self.amend(self.known.revision, &settled.collect::<Vec<_>>()).await? {
            let left = left.into_iter().flat_map(|(old, schedules)| {
                schedules.into_iter().map(move |schedule| (old.clone(), schedule))
            });
            let forget = MarkChange::Forget { revision: self.known.revision };
            self.change_marks(left.collect(), forget).await?;
        }
        // What there is to do next shows when the group is looked at anew.
        self.look_again();
        Ok(())
    }

    async fn change_marks(
        &self,
        marks: Vec<(QueueName, ScheduleRef)>,
        change: MarkChange,
    ) -> Result<()> {
        let changes = marks.into_iter().map(|(queue, schedule)| async move {
            self.store.change_mark(&queue, &schedule, change).await
        });
        stream::iter(changes).buffer_unordered(MARKS_AT_ONCE).try_collect().await
    }
}
