//! Schedules that change their queue: they rest until nobody claims in the old one, and go on from there.

use jobq_core::schedules::{Change, MarkChange, ScheduleRef};
use jobq_core::{QueueName, Result, ScheduleName, Timestamp};

use super::Runner;
use crate::definition::Definition;
use crate::sync::SCHEDULE;

impl Runner {
    /// Lets schedules go on in their new queue from where they stood in the old one.
    pub(super) async fn settle(&mut self) -> Result<()> {
        let now = self.now();
        let ready = |(_, (_, at)): &(&ScheduleName, &(Definition, Timestamp))| *at <= now;
        let Some((name, (definition, _))) = self.moving.iter().find(ready) else {
            return Ok(());
        };
        let (name, mut definition) = (name.clone(), definition.clone());
        let schedule = ScheduleRef::new(self.group.clone(), name.clone());
        let queue = definition.plan.queue()?;
        let former = definition.former.iter().map(QueueName::new).collect::<Result<Vec<_>>>()?;
        let former: Vec<_> = former.into_iter().filter(|old| *old != queue).collect();
        for old in &former {
            let marks = self.store.marks(old, std::slice::from_ref(&schedule)).await?;
            if let Some(mark) = marks.into_iter().next().flatten() {
                definition.came_to = definition.came_to.max(mark.last);
                if mark.paused {
                    self.store.change_mark(&queue, &schedule, MarkChange::Pause).await?;
                }
            }
        }
        definition.former.clear();
        let change = Change::Put(format!("{SCHEDULE}{name}"), definition.encode());
        if self.amend(self.revision, &[change]).await? {
            for old in &former {
                self.store
                    .change_mark(old, &schedule, MarkChange::Forget { revision: self.revision })
                    .await?;
            }
        }
        // What there is to do next shows when the group is looked at anew.
        self.look_again();
        Ok(())
    }
}
