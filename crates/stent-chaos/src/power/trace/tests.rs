use super::*;

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// The lines, with what stands in `{}` written as strace writes it.
fn read_lines(lines: &[&str]) -> Result<Vec<Step>, Untraceable> {
    let lines: Vec<String> = lines
        .iter()
        .map(|line| {
            let parts = line.split(['{', '}']).enumerate();
            parts
                .map(|(number, part)| match number % 2 {
                    0 => part.to_owned(),
                    _ => hex(part),
                })
                .collect()
        })
        .collect();
    read(&lines.join("\n"), Path::new("/f"), Path::new("/said"))
}

fn step(began: usize, ended: usize, action: Action) -> Step {
    Step {
        began,
        ended: Some(ended),
        action,
    }
}

#[test]
fn what_was_done_to_the_folder_is_read_in_the_order_of_its_beginning() {
    let steps = read_lines(&[
        r#"7 openat(AT_FDCWD<{/}>, "{/f/a}", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 3<{/f/a}>"#,
        r#"7 pwrite64(3<{/f/a}>, "{four}", 4, 8 <unfinished ...>"#,
        r#"8 pwrite64(4<{/f/b}>, "{xyz}", 3, 16) = 2"#,
        r#"7 <... pwrite64 resumed>) = 4"#,
        r#"7 fsync(3<{/f/a}>) = 0"#,
        r#"8 fdatasync(5<{/f}>) = 0"#,
        r#"8 ftruncate(4<{/f/b}>, 1) = 0"#,
        r#"8 unlink("{/f/b}") = 0"#,
        r#"8 write(1<{/said}>, "{hello}", 5) = 5"#,
        "8 +++ exited with 0 +++",
    ])
    .unwrap();
    let file = || "a".to_owned();
    let other = || "b".to_owned();
    let write = |file, offset, bytes: &[u8]| Action::Write {
        file,
        offset,
        bytes: bytes.to_owned(),
    };
    let expected = [
        step(0, 0, Action::Create(file())),
        step(1, 3, write(file(), 8, b"four")),
        step(2, 2, write(other(), 16, b"xy")),
        step(4, 4, Action::Sync(file())),
        step(5, 5, Action::SyncFolder),
        step(
            6,
            6,
            Action::Resize {
                file: other(),
                size: 1,
            },
        ),
        step(7, 7, Action::Remove(other())),
        step(8, 8, Action::Say(b"hello".to_vec())),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn what_failed_and_what_concerns_other_files_is_left_out() {
    let steps = read_lines(&[
        r#"7 unlink("{/f/a}") = -1 ENOENT (No such file or directory)"#,
        r#"7 unlink("{/elsewhere}") = 0"#,
        r#"7 write(2</dev/null>, "{x}", 1) = 1"#,
        r#"7 pwrite64(5<{/f/a-shm}>, "{x}", 1, 4095) = 1"#,
        r#"7 mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, 5<{/f/a-shm}>, 0) = 0x7fc2a888a000"#,
        r#"7 mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5<{/f/a}>, 0) = 0x7fc2a888a000"#,
        "7 --- SIGCHLD {si_signo=SIGCHLD} ---",
    ])
    .unwrap();
    assert_eq!(steps, []);
}

#[test]
fn a_sync_during_which_the_process_was_killed_never_ended() {
    let steps = read_lines(&[
        r#"7 fdatasync(3<{/f/a}> <unfinished ...>"#,
        r#"8 fdatasync(3<{/f/a}>) = ?"#,
        "7 +++ killed by SIGKILL +++",
    ])
    .unwrap();
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| step.ended.is_none()), "{steps:?}");
}

#[test]
fn a_change_that_is_not_followed_is_refused() {
    for (line, why) in [
        (r#"7 rename("{/f/a}", "{/f/b}") = 0"#, "not followed"),
        (
            r#"7 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5<{/f/a}>, 0) = 0x7fc2a888a000"#,
            "not followed",
        ),
        (r#"7 write(3<{/f/a}>, "{x}", 1) = 1"#, "not followed"),
        (
            r#"7 pwrite64(3<{/f/a}>, "{x}"..., 2, 0) = 2"#,
            "whole string",
        ),
        (
            r#"7 pwrite64(3<{/f/a}>(deleted), "{x}", 1, 0) = 1"#,
            "deleted",
        ),
        (r#"7 pwrite64(3<{/f/a}>, "{x}", 1, 0) = ?"#, "nobody knows"),
        (
            r#"7 openat(AT_FDCWD<{/f}>, "{a}", O_WRONLY|O_TRUNC) = 3<{/f/a}>"#,
            "empties",
        ),
    ] {
        let refused = read_lines(&[line]).unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
}
