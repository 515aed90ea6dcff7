use super::*;

/// Steps one after the other, each of which takes two lines.
fn in_turn(actions: impl IntoIterator<Item = Action>) -> Vec<Step> {
    let numbered = actions.into_iter().enumerate();
    numbered
        .map(|(number, action)| Step {
            began: 2 * number,
            ended: Some(2 * number + 1),
            action,
        })
        .collect()
}

fn write(file: &str, offset: usize, bytes: &[u8]) -> Action {
    Action::Write {
        file: file.to_owned(),
        offset,
        bytes: bytes.to_owned(),
    }
}

fn name(text: &str) -> String {
    text.to_owned()
}

/// Everything that may be left at the end, over many random numbers.
fn left(steps: &[Step], deaf: Deaf) -> Vec<Files> {
    let mut disk = Disk::new(steps, deaf);
    disk.follow(disk.points());
    let each = (0..1_000).map(|seed| disk.lose_power(&mut Rng::with_seed(seed)));
    let mut left: Vec<Files> = each.collect();
    left.sort();
    left.dedup();
    left
}

fn contents(left: &[Files], file: &str) -> Vec<Option<Vec<u8>>> {
    let mut contents: Vec<_> = left.iter().map(|files| files.get(file).cloned()).collect();
    contents.sort();
    contents.dedup();
    contents
}

#[test]
fn what_was_synced_is_there_and_the_folder_is_synced_by_itself() {
    let with_folder = in_turn([
        Action::Create(name("a")),
        write("a", 0, b"one"),
        Action::Sync(name("a")),
        Action::SyncFolder,
    ]);
    let expected = Files::from([(name("a"), b"one".to_vec())]);
    assert_eq!(left(&with_folder, Deaf::ToNone), [expected]);
    let found = contents(&left(&with_folder[..3], Deaf::ToNone), "a");
    assert_eq!(found, [None, Some(b"one".to_vec())]);
    let found = contents(&left(&with_folder, Deaf::ToTheFolder), "a");
    assert_eq!(found, [None, Some(b"one".to_vec())]);
}

#[test]
fn writes_that_were_not_synced_survive_each_for_itself_and_in_part() {
    let steps = in_turn([
        Action::Create(name("a")),
        Action::SyncFolder,
        write("a", 0, &[1; 1_024]),
        Action::Sync(name("a")),
        write("a", 0, &[2; 1_024]),
        write("a", 1_024, &[3; 512]),
    ]);
    let found = contents(&left(&steps, Deaf::ToNone), "a");
    let whole = |first: u8, second: u8| [[first; 512], [second; 512]].concat();
    for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let begins_so = |content: &&Vec<u8>| content.starts_with(&whole(first, second));
        let so = || found.iter().flatten().filter(begins_so);
        assert!(so().any(|content| content.len() == 1_024));
        assert!(so().any(|content| content.ends_with(&[3; 512])));
    }
    assert!(
        found
            .iter()
            .flatten()
            .any(|content| content.ends_with(&[0; 512]))
    );
    assert!(found.iter().flatten().all(|content| content.len() >= 1_024));
}

#[test]
fn a_sync_covers_what_was_done_when_it_began_once_it_has_ended() {
    let sync = |began, ended| Step {
        began,
        ended,
        action: Action::Sync(name("a")),
    };
    let mut steps = in_turn([
        Action::Create(name("a")),
        Action::SyncFolder,
        write("a", 0, b"x"),
    ]);
    let mut covered = |began, ended| {
        steps.push(sync(began, ended));
        let found = contents(&left(&steps, Deaf::ToNone), "a");
        steps.pop();
        found == [Some(b"x".to_vec())]
    };
    assert!(covered(6, Some(7)));
    assert!(!covered(6, None));
    assert!(!covered(4, Some(7)));
}

#[test]
fn a_name_may_stand_for_what_it_was_and_for_what_it_became() {
    let steps = in_turn([
        write("a", 0, b"old"),
        Action::Sync(name("a")),
        Action::SyncFolder,
        Action::Remove(name("a")),
        Action::Create(name("a")),
        write("a", 0, b"new"),
        Action::Sync(name("a")),
    ]);
    let mut found = contents(&left(&steps, Deaf::ToNone), "a");
    found.sort();
    assert_eq!(found, [None, Some(b"new".to_vec()), Some(b"old".to_vec())]);
}

#[test]
fn what_was_said_and_what_is_seen_goes_by_the_point() {
    let steps = in_turn([
        write("a", 0, b"one"),
        Action::Say(b"it is there".to_vec()),
        Action::Resize {
            file: name("a"),
            size: 1,
        },
    ]);
    let mut disk = Disk::new(&steps, Deaf::ToNone);
    assert_eq!((disk.points(), disk.sayings()), (6, vec![3]));
    disk.follow(2);
    assert_eq!(disk.said().count(), 0);
    disk.follow(3);
    assert_eq!(disk.said().collect::<Vec<_>>(), [b"it is there"]);
    assert_eq!(disk.seen()["a"], b"one");
    disk.follow(6);
    assert_eq!(disk.seen()["a"], b"o");
}
