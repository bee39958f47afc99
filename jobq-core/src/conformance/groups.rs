//! Groups of schedules: their entries, and which schedulers live.

use std::time::Duration;

use super::Scene;
use super::scene::{MS, SECOND};
use crate::id::WorkerId;
use crate::name::GroupName;
use crate::schedules::Change;

const TTL: Duration = Duration::from_secs(60);

/// What is put into a group is there, and nowhere else.
pub async fn entries_are_kept_by_group(t: &Scene) {
    let (mine, other) = (group("mine"), group("other"));
    let put = [put("a", b"\x00one"), put("b", b"")];
    let revision = t.store().amend(&mine, 0, &put).await.unwrap().unwrap();

    let entries = t.store().entries(&mine).await.unwrap();
    assert_eq!(entries.revision, revision);
    let expected = [("a".to_owned(), b"\x00one".to_vec()), ("b".to_owned(), Vec::new())];
    assert_eq!(entries.entries, expected.into());
    assert_eq!(t.store().entries(&other).await.unwrap().entries.len(), 0);
    assert_eq!(t.store().groups().await.unwrap(), [mine]);
}

/// Entries are replaced and removed.
pub async fn entries_are_changed(t: &Scene) {
    let mine = group("mine");
    let first = t.store().amend(&mine, 0, &[put("a", b"1"), put("b", b"2")]).await.unwrap();
    let changes = [put("a", b"3"), Change::Remove("b".into()), Change::Remove("c".into())];
    let second = t.store().amend(&mine, first.unwrap(), &changes).await.unwrap();

    assert!(second.unwrap() > first.unwrap());
    let entries = t.store().entries(&mine).await.unwrap().entries;
    assert_eq!(entries, [("a".to_owned(), b"3".to_vec())].into());
}

/// Who has not seen the last change changes nothing.
pub async fn a_change_based_on_an_old_revision_is_refused(t: &Scene) {
    let mine = group("mine");
    let first = t.store().amend(&mine, 0, &[put("a", b"1")]).await.unwrap().unwrap();
    let second = t.store().amend(&mine, first, &[put("a", b"2")]).await.unwrap().unwrap();

    for based_on in [0, first, second + 1] {
        assert_eq!(t.store().amend(&mine, based_on, &[put("a", b"x")]).await.unwrap(), None);
    }
    let entries = t.store().entries(&mine).await.unwrap();
    assert_eq!(entries.revision, second);
    assert_eq!(entries.entries["a"], b"2");
}

/// Of changes at once one is made.
pub async fn one_of_several_changes_at_once_is_made(t: &Scene) {
    let mine = group("mine");
    let changes = [put("a", b"1")];
    let all = (0..8).map(|_| t.store().amend(&mine, 0, &changes));
    let answers = futures_util::future::join_all(all).await;

    assert_eq!(answers.iter().filter(|answer| answer.as_ref().unwrap().is_some()).count(), 1);
}

/// A group without entries is none, and revisions go on when it has some again.
pub async fn revisions_never_come_again(t: &Scene) {
    let mine = group("mine");
    let first = t.store().amend(&mine, 0, &[put("a", b"1")]).await.unwrap().unwrap();
    let emptied = t.store().amend(&mine, first, &[Change::Remove("a".into())]).await.unwrap();
    assert_eq!(t.store().groups().await.unwrap(), []);
    assert_eq!(t.store().entries(&mine).await.unwrap().revision, 0);

    let other = t.store().amend(&group("other"), 0, &[put("a", b"1")]).await.unwrap().unwrap();
    let again = t.store().amend(&mine, 0, &[put("a", b"1")]).await.unwrap().unwrap();
    assert!(first < emptied.unwrap() && emptied.unwrap() < other && other < again);
}

/// Schedulers of a group are told of each other, and of the group's revision.
pub async fn schedulers_see_each_other(t: &Scene) {
    let (mine, other) = (group("mine"), group("other"));
    let [one, two, three] = [1, 2, 3].map(WorkerId::from_u64);
    let first = t.store().attend(&mine, one, "v1", TTL).await.unwrap();
    assert_eq!((first.revision, first.words, first.now), (0, vec!["v1".to_owned()], t.now()));
    let revision = t.store().amend(&mine, 0, &[put("a", b"1")]).await.unwrap().unwrap();
    t.store().attend(&mine, two, "v2", TTL).await.unwrap();
    t.store().attend(&other, three, "v3", TTL).await.unwrap();

    let third = t.store().attend(&mine, three, "v2", TTL).await.unwrap();
    assert_eq!(third.words, ["v1", "v2"]);
    assert_eq!(third.revision, revision);
}

/// A scheduler that is silent or says so is not there any more.
pub async fn an_absent_scheduler_is_forgotten(t: &Scene) {
    let mine = group("mine");
    let [one, two, three] = [1, 2, 3].map(WorkerId::from_u64);
    t.store().attend(&mine, one, "silent", TTL).await.unwrap();
    t.store().attend(&mine, two, "leaves", TTL).await.unwrap();
    t.store().absent(&mine, two).await.unwrap();
    t.store().absent(&mine, two).await.unwrap();
    t.advance(TTL - MS);
    assert_eq!(
        t.store().attend(&mine, three, "stays", TTL).await.unwrap().words,
        ["silent", "stays"]
    );
    t.advance(MS);

    assert_eq!(t.store().attend(&mine, three, "stays", TTL).await.unwrap().words, ["stays"]);
}

/// Whoever attended before the clock was put back counts as living for its time from then on, and no longer.
pub async fn a_scheduler_is_forgotten_though_the_clock_was_put_back(t: &Scene) {
    let mine = group("mine");
    let [one, two, three] = [1, 2, 3].map(WorkerId::from_u64);
    t.store().attend(&mine, one, "silent", TTL).await.unwrap();
    t.store().attend(&mine, two, "passes", TTL * 3).await.unwrap();
    t.put_back(SECOND * 3_600);
    let words = t.store().attend(&mine, three, "stays", TTL).await.unwrap().words;
    assert_eq!(words, ["passes", "silent", "stays"]);

    t.advance(TTL);
    let words = t.store().attend(&mine, three, "stays", TTL).await.unwrap().words;
    assert_eq!(words, ["passes", "stays"]);
    t.advance(TTL * 2);
    assert_eq!(t.store().attend(&mine, three, "stays", TTL).await.unwrap().words, ["stays"]);
}

/// A group can be asked for its schedulers without being one.
pub async fn somebody_who_only_asks_is_no_scheduler(t: &Scene) {
    let mine = group("mine");
    let [one, two] = [1, 2].map(WorkerId::from_u64);
    t.store().attend(&mine, one, "lives", TTL).await.unwrap();
    let asked = t.store().attend(&mine, two, "", Duration::ZERO).await.unwrap();
    assert_eq!((asked.now, asked.words), (t.now(), vec!["lives".to_owned()]));

    assert_eq!(t.store().attend(&mine, one, "lives", TTL).await.unwrap().words, ["lives"]);
}

fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

fn put(name: &str, bytes: &[u8]) -> Change {
    Change::Put(name.to_owned(), bytes.to_vec())
}
